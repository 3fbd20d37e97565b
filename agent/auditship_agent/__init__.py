"""The agent: tails access logs on a storage server and ships each line as an audit event."""
