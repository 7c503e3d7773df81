-- One exchange between a replica's limiter and the permits of one key.
--
-- A permit is a lease: a member of a sorted set whose score is the instant of its
-- expiry, by this server's clock. The name of a lease is replica/number/instant
-- of the grant; the name of a replica is process.incarnation. A replica states
-- how many leases it wants and how many grants have reached it. This script
-- counts the grants that it made. The difference is the number of waiting calls,
-- independent of the messages that are on their way.
--
-- KEYS, all in one slot: 1 the leases, 2 the waiting replicas by the order in
-- which they are served, 3 a hash: pause, maximum, seq (the last number given
-- out), and r:REPLICA = "until granted demand".
-- ARGV: 1 the prefix of channels, 2 the replica, 3 the limit, 4 the leases
-- wanted, 5 the grants that arrived, 6 a pause in ms or 0, 7 the upstream's own
-- maximum or -1 if there is no news of it, 8 how many calls are in flight without
-- a lease, 9 the number of leases that follow, to be renewed, or -1 for no
-- renewal; then those, and then the leases that are given back.
-- Returns {rest of the pause in ms, maximum or 0, leases to be renewed that had
-- expired, new leases for calls in flight, new leases granted}.

local LEASE = 1500      -- ms until a lease expires that is not renewed
local REGISTERED = 1000 -- ms for which a replica without a heartbeat gets grants
local STRAY = 300       -- ms after which a grant that its replica does not know is lost

local leases, waiting, state = KEYS[1], KEYS[2], KEYS[3]
local channels, replica = ARGV[1], ARGV[2]
local want, got = tonumber(ARGV[4]), tonumber(ARGV[5])
local known = tonumber(ARGV[9])
local name = string.match(KEYS[1], '{(.-)}')
local process = string.match(replica, '^[^.]+')

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local fields = redis.call('HMGET', state, 'seq', 'pause', 'maximum', 'r:' .. replica)
local seq = tonumber(fields[1] or 0)
local paused = tonumber(fields[2] or 0)
local maximum = tonumber(fields[3] or 0)

-- records has the known data of each replica that this run has read.
local records = {}
local function read(who, text)
	local record = {untilWhen = 0, granted = 0, demand = 0}
	if text then
		local a, b, c = string.match(text, '^(%d+) (%d+) (%d+)$')
		record = {untilWhen = tonumber(a), granted = tonumber(b), demand = tonumber(c), found = true}
	end
	records[who] = record
	return record
end
local function write(who)
	local r = records[who]
	redis.call('HSET', state, 'r:' .. who, string.format('%d %d %d', r.untilWhen, r.granted, r.demand))
end

local function add(who, expiry)
	seq = seq + 1
	local lease = string.format('%s/%d/%d', who, seq, now)
	redis.call('ZADD', leases, expiry, lease)
	redis.call('PEXPIRE', leases, 10000)
	return lease
end

-- 1. The leases of replicas without a heartbeat for too long expire.
redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)

local me = read(replica, fields[4])
if not me.found then me.granted = got end

-- 2. Renewal. An expired lease is not revived, because another call may have its
-- permit by now. The replica counts its call anew, as in step 5.
local expired = {}
local first = 10
if known >= 0 then
	local renewed = {}
	for i = first, first + known - 1 do
		if redis.call('ZSCORE', leases, ARGV[i]) then
			redis.call('ZADD', leases, now + LEASE, ARGV[i])
			renewed[ARGV[i]] = true
		else
			table.insert(expired, ARGV[i])
		end
	end
	-- Grants whose message was lost, and all leases of this process from before
	-- its present incarnation, are free again.
	for i = first + known, #ARGV do renewed[ARGV[i]] = true end -- these go in step 3
	for _, lease in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
		local who, at = string.match(lease, '^(.-)/%d+/(%d+)$')
		if who == replica then
			if not renewed[lease] and tonumber(at) < now - STRAY then
				redis.call('ZREM', leases, lease)
				me.granted = me.granted - 1
			end
		elseif string.match(who, '^[^.]+') == process then
			redis.call('ZREM', leases, lease)
		end
	end
	-- Each replica that has ended leaves a record.
	local all = redis.call('HGETALL', state)
	for i = 1, #all, 2 do
		local who = string.match(all[i], '^r:(.*)$')
		if who and who ~= replica then
			local record = read(who, all[i + 1])
			if record.untilWhen < now or string.match(who, '^[^.]+') == process then
				redis.call('HDEL', state, all[i])
				redis.call('ZREM', waiting, who)
				records[who] = nil
			end
		end
	end
	first = first + known
end

-- 3. Returned leases are free.
for i = first, #ARGV do redis.call('ZREM', leases, ARGV[i]) end

-- 4. A pause and a maximum apply to all replicas from this moment on. A replica
-- with waiting calls is informed by a message, any other by its next exchange.
if tonumber(ARGV[6]) > 0 and now + ARGV[6] > paused then
	paused = now + ARGV[6]
	redis.call('HSET', state, 'pause', paused)
	redis.call('PUBLISH', channels .. 'all', string.format('pause %s %d %s', name, paused - now, process))
end
if tonumber(ARGV[7]) >= 0 and tonumber(ARGV[7]) ~= maximum then
	maximum = tonumber(ARGV[7])
	redis.call('HSET', state, 'maximum', maximum)
	redis.call('PUBLISH', channels .. 'all', string.format('maximum %s %d', name, maximum))
end
local rest = math.max(0, paused - now)
local limit = tonumber(ARGV[3])
if maximum > 0 then limit = math.min(limit, maximum) end

-- 5. Calls that are in flight without a lease are counted, even beyond the limit.
local counted = {}
for _ = 1, tonumber(ARGV[8]) do table.insert(counted, add(replica, now + LEASE)) end

-- 6. The calls of this replica that wait.
me.untilWhen, me.demand = now + REGISTERED, got + want
if me.demand > me.granted then
	seq = seq + 1
	redis.call('ZADD', waiting, 'NX', seq, replica)
else
	redis.call('ZREM', waiting, replica)
end

-- 7. Each free permit is granted to the waiting replica that has the fewest, and
-- among those to the one that was served, or began to wait, first.
local granted = {}
local free = limit - redis.call('ZCARD', leases)
if free > 0 and rest == 0 then
	local order = redis.call('ZRANGE', waiting, 0, -1)
	local held = {}
	if #order > 1 then
		for _, lease in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
			local who = string.match(lease, '^(.-)/')
			held[who] = (held[who] or 0) + 1
		end
	end
	while free > 0 and #order > 0 do
		local best
		for i, who in ipairs(order) do
			if not best or (held[who] or 0) < (held[order[best]] or 0) then best = i end
			if not held[order[best]] then break end
		end
		local who = table.remove(order, best)
		local r = records[who] or read(who, redis.call('HGET', state, 'r:' .. who))
		if r.untilWhen < now or r.granted >= r.demand then -- the replica has ended
			redis.call('ZREM', waiting, who)
		else
			-- A lease lasts from the last heartbeat of its replica, so that all
			-- leases of a dead replica expire together.
			local lease = add(who, math.min(now + LEASE, r.untilWhen - REGISTERED + LEASE))
			r.granted, held[who], free = r.granted + 1, (held[who] or 0) + 1, free - 1
			if r.granted < r.demand then
				seq = seq + 1
				redis.call('ZADD', waiting, seq, who)
				table.insert(order, who)
			else
				redis.call('ZREM', waiting, who)
			end
			if who == replica then
				table.insert(granted, lease)
			else
				write(who)
				redis.call('PUBLISH', channels .. string.match(who, '^[^.]+'), string.format('grant %s %s', name, lease))
			end
		end
	end
end

-- 8. A key that is no longer used leaves nothing.
write(replica)
redis.call('HSET', state, 'seq', seq)
redis.call('PEXPIRE', state, math.max(60000, rest + 1000))
if known > 0 then redis.call('PEXPIRE', leases, 10000) end
if want > 0 then redis.call('PEXPIRE', waiting, 10000) end
return {rest, maximum, expired, counted, granted}
