-- Stores a page that was read from the upstream, or only releases its lock.
--
-- A walk must not continue from a fresh page to one that was read before it: a
-- user who has moved in the meantime could be missing from both. Therefore a page
-- invalidates the older pages from its own next cursor on.
--
-- KEYS, in one slot: 1 the page, 2 its lock, 3 the page of its next cursor, which
-- is optional.
-- ARGV: 1 the token of the lock, 2 when the reading began, 3 when the page
-- expires, 4 its size, 5 its value; 2 to 5 only if there is a page.

if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
if #ARGV == 1 then return 0 end
local at, expiry = tonumber(ARGV[2]), tonumber(ARGV[3])

-- 1. The page, unless a page that was read later is stored.
if tonumber(redis.call('HGET', KEYS[1], 'at') or 0) <= at then
	redis.call('HSET', KEYS[1], 'at', ARGV[2], 'size', ARGV[4], 'value', ARGV[5])
	redis.call('PEXPIREAT', KEYS[1], expiry)
end

-- 2. Its successor. Without a page, only the instant is stored, so that a page
-- whose reading began earlier is not stored there later.
if KEYS[3] and tonumber(redis.call('HGET', KEYS[3], 'at') or 0) < at then
	redis.call('DEL', KEYS[3])
	redis.call('HSET', KEYS[3], 'at', ARGV[2], 'size', 0)
	redis.call('PEXPIREAT', KEYS[3], expiry)
end
return 1
