
-- ARGV: field, holder
local last, body = counter_of(ARGV[1])
if not last then return 0 end
local words, found = {}, 0
for ends, of in string.gmatch(body, '(%d+):(%w+)') do
  if of == ARGV[2] then found = 1 else words[#words + 1] = ends .. ':' .. of end
end
if found == 1 then redis.call('HSET', key, ARGV[1], text(last) .. ';' .. table.concat(words, ',')) end
return found
