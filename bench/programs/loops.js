// Floats, typed arrays, classes, closures and strings: what V8 compiles.  usage: node loops.js N
'use strict';
const n = Number(process.argv[2]);

function logistic(count) {
  let x = 0.375, total = 0;
  for (let i = 1; i <= count; i++) {
    x = 3.75 * x * (1 - x);
    total += x * x / i;
  }
  return total.toFixed(12);
}

function sieve(limit) {
  const composite = new Uint8Array(limit + 1);
  let count = 0;
  for (let i = 2; i <= limit; i++) {
    if (composite[i]) continue;
    count++;
    for (let j = i * i; j <= limit; j += i) composite[j] = 1;
  }
  return count;
}

class Tree {
  constructor(value) { this.value = value; this.left = this.right = null; }
  insert(value) {
    let node = this;
    for (;;) {
      const side = value < node.value ? 'left' : 'right';
      if (!node[side]) { node[side] = new Tree(value); return; }
      node = node[side];
    }
  }
  sum() { return this.value + (this.left?.sum() ?? 0) + (this.right?.sum() ?? 0); }
}

function trees(count) {
  const root = new Tree(500009);
  for (let i = 1, value = 1; i <= count; i++) root.insert(value = value * 48271 % 1000003);
  return root.sum();
}

function words(count) {
  const seen = new Map();
  for (let i = 0; i < count; i++) {
    const word = `w${i % 1009}`;
    seen.set(word, (seen.get(word) ?? 0) + word.length);
  }
  return [...seen.values()].reduce((a, b) => a + b, 0);
}

console.log(logistic(n * 20), sieve(n * 4), trees(n / 10), words(n));
