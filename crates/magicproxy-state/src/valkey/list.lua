
-- ARGV: now, prefix, most
local now = raised(number(ARGV[1]))
local prefix, most = ARGV[2], number(ARGV[3])
local names = named(prefix, now)

-- `<` would compare as the server's locale says.
local function before(one, other)
  for at = #prefix + 1, math.min(#one, #other) do
    local left, right = string.byte(one, at), string.byte(other, at)
    if left ~= right then return left < right end
  end
  return #one < #other
end

if #names > most then table.sort(names, before) end
local found = {}
for at = 1, math.min(#names, most) do
  found[#found + 1] = names[at]
  found[#found + 1] = redis.call('HGET', key, 'n' .. names[at])
  found[#found + 1] = redis.call('HGET', key, 'v' .. names[at])
end
return found
