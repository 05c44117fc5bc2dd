
-- ARGV: now, names…
local now = raised(number(ARGV[1]))
local found = {}
for at = 2, #ARGV do
  local last = live(ARGV[at], now)
  found[#found + 1] = last
  found[#found + 1] = last and redis.call('HGET', key, 'v' .. ARGV[at])
end
return found
