-- One heartbeat of a process: it counts the process among the replicas, and sends
-- an echo through the process's channel, which proves that grants would reach it.
--
-- KEYS: 1 a sorted set of the processes by the time of their last heartbeat.
-- ARGV: 1 the process's channel, 2 the process, 3 the echo; empty if the process ends.
-- Returns {how many replicas there are, this server's time in ms}.

local LIFE = 2000 -- ms for which a replica without a heartbeat counts

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[3] == '' then
	redis.call('ZREM', KEYS[1], ARGV[2])
else
	redis.call('ZADD', KEYS[1], now, ARGV[2])
	redis.call('PUBLISH', ARGV[1], ARGV[3])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - LIFE)
redis.call('PEXPIRE', KEYS[1], 10000)
return {redis.call('ZCARD', KEYS[1]), now}
