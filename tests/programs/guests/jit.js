// Functions that are optimised, found too optimistic, and compiled again; inline caches; workers.
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
function add(a, b) { return a + b; }
let sum = 0;
for (let i = 0; i < 30000; i++) sum = add(sum, i);
console.log(fib(22), sum, add("a", 1), add(1.5, 2n === 2 ? 1 : 2));
const shapes = [];
for (let i = 0; i < 40; i++) shapes.push(new Function("o", `return o.p${i % 8} + ${i}`));
let total = 0;
for (let round = 0; round < 400; round++)
  for (let i = 0; i < shapes.length; i++) total += shapes[i]({ ["p" + (i % 8)]: round, q: i });
const words = new Map();
for (let i = 0; i < 50000; i++) words.set("k" + (i % 97), (words.get("k" + (i % 97)) || 0) + i);
console.log(total, [...words.values()].reduce((a, b) => a + b), JSON.stringify([...words]).length);
const { Worker, isMainThread, parentPort } = require("worker_threads");
const body = `const { parentPort } = require("worker_threads");
  let s = 0; for (let i = 0; i < 200000; i++) s = (s * 31 + i) % 1000003; parentPort.postMessage(s);`;
Promise.all([1, 2].map(() => new Promise((done, fail) =>
  new Worker(body, { eval: true }).on("message", done).on("error", fail))))
  .then((results) => console.log("workers", results.join(" ")));
