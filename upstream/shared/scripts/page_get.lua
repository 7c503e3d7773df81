-- Reads a page, or takes the lock for reading it from the upstream.
--
-- KEYS, in one slot: 1 the page, a hash: at (when its reading began, by this
-- server's clock), size (the number of users that it satisfies; 0 if only the
-- instant is known), value. 2 its lock.
-- Returns {'page', at, size, value}, {'wait'} if another reader has the lock, or
-- {'read', now}.

local page = redis.call('HMGET', KEYS[1], 'at', 'size', 'value')
local size = tonumber(page[2] or 0)
if size > 0 and size >= tonumber(ARGV[1]) then
	return {'page', page[1], page[2], page[3]}
end
-- Two seconds are longer than a page usually takes. A reader that died does not
-- delay the others for longer.
if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', 2000) then
	return {'wait'}
end
local time = redis.call('TIME')
return {'read', string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))}
