-- Appends behavior records to one user's packed history and keeps the newest, all at once.
-- KEYS[1] history; ARGV: header, records, bytes per record, records to keep.
-- Returns how many records the history has now; refuses to touch a value with another header.
local header, records = ARGV[1], ARGV[2]
local record_bytes, keep = tonumber(ARGV[3]), tonumber(ARGV[4])
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, #header) ~= header then
  return redis.error_reply('FOREIGN the value under ' .. KEYS[1] .. ' is not this user\'s history')
end
local body = (value and string.sub(value, #header + 1) or '') .. records
local newest = string.sub(body, -record_bytes * keep)
redis.call('SET', KEYS[1], header .. newest)
return #newest / record_bytes
