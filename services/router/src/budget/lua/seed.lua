-- Brings the state up to the ledger: limit, total, and what this router holds. Safe to repeat and to race.
-- KEYS: state, held, expiry. ARGV: limit, revision, total, now_ms, keep_ms, then reservation, amount, expires_ms of each.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[4])) do
  local amount = redis.call('HGET', KEYS[2], id)
  if amount then redis.call('HINCRBY', KEYS[1], 'reserved', '-' .. amount) end
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
end
local revision = redis.call('HGET', KEYS[1], 'revision')
if not revision or tonumber(revision) <= tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'limit', ARGV[1], 'revision', ARGV[2])
end
local spent = redis.call('HGET', KEYS[1], 'spent') or '0'
if tonumber(ARGV[3]) >= tonumber(spent) then redis.call('HSET', KEYS[1], 'spent', ARGV[3]) end
for at = 6, #ARGV, 3 do
  if redis.call('HSETNX', KEYS[2], ARGV[at], ARGV[at + 1]) == 1 then
    redis.call('ZADD', KEYS[3], ARGV[at + 2], ARGV[at])
    redis.call('HINCRBY', KEYS[1], 'reserved', ARGV[at + 1])
  end
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[5]) end
return 'ok'
