-- Charges a caller (GCRA): the instant at which all spent tokens are paid for
-- advances by one interval for each token. It may be any time ahead: the cost of
-- an operation is known only when it has ended.
--
-- KEYS: 1 the caller's instant, in microseconds by this server's clock.
-- ARGV: 1 the tokens spent, 2 the interval in microseconds.
-- Returns that instant.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local paid = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + ARGV[1] * ARGV[2]
local text = string.format('%d', paid)
redis.call('SET', KEYS[1], text, 'PX', math.max(1, math.ceil((paid - now) / 1000)))
return text
