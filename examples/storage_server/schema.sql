-- Metadata that all regions share. Times are Unix ms; secrets are kept as hashes only.
CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password TEXT NOT NULL, -- salt and scrypt hash
  disabled INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS workspaces (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  quota_bytes INTEGER,
  deleted_ms INTEGER
);
CREATE TABLE IF NOT EXISTS members (
  workspace TEXT NOT NULL REFERENCES workspaces (id),
  email TEXT NOT NULL,
  role TEXT NOT NULL,
  invite_sha256 TEXT, -- of the code in the invitation, until it is accepted
  joined_ms INTEGER,
  PRIMARY KEY (workspace, email)
);
CREATE TABLE IF NOT EXISTS groups (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL REFERENCES workspaces (id),
  name TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS group_members (
  group_id TEXT NOT NULL REFERENCES groups (id),
  email TEXT NOT NULL,
  PRIMARY KEY (group_id, email)
);
CREATE TABLE IF NOT EXISTS grants (
  group_id TEXT NOT NULL REFERENCES groups (id),
  path TEXT NOT NULL, -- the folder; the grant holds below it, too
  permission TEXT NOT NULL,
  PRIMARY KEY (group_id, path, permission)
);
CREATE TABLE IF NOT EXISTS rules (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL REFERENCES workspaces (id),
  name TEXT NOT NULL,
  allowed_ips TEXT NOT NULL -- JSON list of networks
);
CREATE TABLE IF NOT EXISTS files (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL REFERENCES workspaces (id),
  path TEXT NOT NULL,
  type TEXT NOT NULL, -- file or dir
  version INTEGER, -- the current one; folders have none
  deleted_ms INTEGER -- since when it lies in the bin
);
CREATE UNIQUE INDEX IF NOT EXISTS files_by_path
  ON files (workspace, path) WHERE deleted_ms IS NULL;
CREATE TABLE IF NOT EXISTS versions (
  file TEXT NOT NULL REFERENCES files (id),
  number INTEGER NOT NULL,
  blob TEXT NOT NULL,
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  mime_type TEXT NOT NULL,
  region TEXT NOT NULL, -- where the blob lies
  PRIMARY KEY (file, number)
);
CREATE TABLE IF NOT EXISTS links (
  id TEXT PRIMARY KEY,
  token_sha256 TEXT NOT NULL UNIQUE,
  workspace TEXT NOT NULL REFERENCES workspaces (id),
  file TEXT NOT NULL REFERENCES files (id), -- a folder takes uploads, a file gives downloads
  scope TEXT NOT NULL,
  allowed TEXT NOT NULL, -- JSON list of domains, or of e-mail addresses
  password TEXT,
  expires_ms INTEGER,
  max_downloads INTEGER,
  downloads INTEGER NOT NULL DEFAULT 0,
  owner TEXT NOT NULL,
  rule_id TEXT,
  rule_name TEXT,
  region TEXT NOT NULL, -- home: its server tells the expiry
  revoked_ms INTEGER,
  expired_ms INTEGER -- when the expiry was told
);
CREATE TABLE IF NOT EXISTS attempts (
  link TEXT NOT NULL REFERENCES links (id),
  ip TEXT NOT NULL,
  tried INTEGER NOT NULL,
  wrong_in_a_row INTEGER NOT NULL,
  PRIMARY KEY (link, ip)
);
CREATE TABLE IF NOT EXISTS api_keys (
  id TEXT PRIMARY KEY, -- public; the log names it
  workspace TEXT NOT NULL REFERENCES workspaces (id),
  name TEXT NOT NULL,
  owner TEXT NOT NULL REFERENCES users (email),
  secret_sha256 TEXT NOT NULL,
  revoked_ms INTEGER
);
