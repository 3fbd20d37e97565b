-- The event of a record, without what a look at its parts would tell. The id is the request's: the
-- filter has no hash. @NAMES@ are filled in by `bench/peer.py`.
local acts = @ACTS@

function event(tag, timestamp, record)
  local act = acts[record.action .. " " .. record.result]
  local key = record.api_key
  local file = record.file
  if file and file.previous_name then
    file.previous = { name = file.previous_name }
    file.previous_name = nil
  end
  return 2, timestamp, {
    bulk_id = record.request_id,
    agent = { id = "@SERVER@", version = "@VERSION@" },
    api_key = key,
    audit = {
      actor = key and key.id or record.user.email,
      actor_type = key and "api_key" or "user",
      result = record.result,
      schema = 1,
      verb = act.verb,
    },
    client = { ip = record.ip },
    cloud = { region = "@REGION@" },
    ecs = { version = "@ECS@" },
    event = {
      action = record.action,
      category = act.category,
      dataset = "native",
      kind = "event",
      outcome = act.outcome,
      reason = record.reason,
      type = act.type,
    },
    file = file,
    host = { id = "@SERVER@" },
    http = { request = { id = record.request_id } },
    log = { file = { path = "@LOG@" } },
    share = record.share,
    storage = { region = record.storage_region },
    user = record.user,
    user_agent = { original = record.user_agent },
    workspace = record.workspace,
  }
end
