-- Traces that are compiled, thrown away, and compiled again.
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
local function loop(n, step)
  local t, sum = {}, 0
  for i = 1, n do
    t[i % 100] = i * step
    sum = sum + (t[(i * 7) % 100] or 0) % 1000
  end
  return sum
end
print(fib(22), loop(50000, 3), loop(50000, 0.5))
for round = 1, 40 do
  local f = assert(loadstring("local s = 0 for i = 1, 500 do s = s + i * " .. round .. " end return s"))
  io.write(f(), round % 10 == 0 and "\n" or " ")
end
for round = 1, 5 do
  jit.flush()
  print(round, loop(20000, round), jit.status())
end
local words = {}
for i = 1, 3000 do words[i] = ("%04d"):format(i * 7919 % 10007):rep(2, i % 3 == 0 and "-" or "") end
table.sort(words)
print(#table.concat(words, " "), words[1], words[#words])
