-- Floats, tables, closures and strings: what LuaJIT compiles.  usage: luajit loops.lua N
local n = tonumber(arg[1])

local function logistic(count)
  local x, total = 0.375, 0
  for i = 1, count do
    x = 3.75 * x * (1 - x)
    total = total + x * x / i
  end
  return total
end

local function sieve(limit)
  local composite, count = {}, 0
  for i = 2, limit do
    if not composite[i] then
      count = count + 1
      for j = i * i, limit, i do composite[j] = true end
    end
  end
  return count
end

local function counter(step)
  local value = 0
  return function(x) value = (value + x * step) % 1000003 return value end
end

local function words(count)
  local seen, length = {}, 0
  for i = 1, count do
    local word = "w" .. i % 1009
    seen[word] = (seen[word] or 0) + 1
    length = length + #word
  end
  return seen.w7 or 0, length
end

local add, last = counter(7), 0
for i = 1, n * 20 do last = add(i) end
print(string.format("%.12f", logistic(n * 20)), sieve(n), last, words(n))
