-- Appends behavior records to one user's packed history and keeps the newest, all at once.
-- KEYS[1] history; ARGV: header, records, bytes per record, records to keep.
-- Returns how many records the history has now; refuses to touch a value that is not the user's
-- history, or that was cut: records appended to half a record would be read as other ones.
local header, records = ARGV[1], ARGV[2]
local record_bytes, keep = tonumber(ARGV[3]), tonumber(ARGV[4])
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, #header) ~= header then
  return redis.error_reply('FOREIGN the value is not this user\'s history')
end
if value and (#value - #header) % record_bytes ~= 0 then
  return redis.error_reply('CORRUPT the history ends within a record')
end
local body = (value and string.sub(value, #header + 1) or '') .. records
local newest = string.sub(body, -record_bytes * keep)
redis.call('SET', KEYS[1], header .. newest)
return #newest / record_bytes
