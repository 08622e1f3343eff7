/* A bytecode machine: an indirect jump (switch) and an indirect call an operation.
 * usage: indirect N */
#include <stdio.h>
#include <stdlib.h>

typedef unsigned long Word;
typedef Word Step(Word accumulator, Word operand);

static Word step_add(Word a, Word b) { return a + b; }
static Word step_xor(Word a, Word b) { return a ^ b; }
static Word step_rotate(Word a, Word b) { return (a << (b & 31)) ^ (a >> 9); }
static Word step_scale(Word a, Word b) { return a * (b | 1); }

static Step *const STEPS[4] = {step_add, step_xor, step_rotate, step_scale};
enum { ADD, XOR, CALL, SHIFT, SWAP, LOAD, NEXT, END };

static Word execute(const unsigned char *code, Word accumulator, Word seed) {
  for (;; code += 2) {
    switch (code[0]) {
    case ADD: accumulator += code[1]; break;
    case XOR: accumulator ^= seed + code[1]; break;
    case CALL: accumulator = STEPS[(code[1] + seed) & 3](accumulator, seed); break;
    case SHIFT: accumulator ^= accumulator >> (code[1] & 31); break;
    case SWAP: { Word other = seed; seed = accumulator; accumulator = other; break; }
    case LOAD: accumulator ^= (Word)code[1] << 32; break;
    case NEXT: seed += 0x9e3779b97f4a7c15; break;
    default: return accumulator;
    }
  }
}

int main(int argc, char **argv) {
  static const unsigned char code[] = {ADD, 3, CALL, 1, SHIFT, 7, XOR, 9, CALL, 2, NEXT, 0, SWAP, 0,
                                       CALL, 3, LOAD, 77, SHIFT, 13, CALL, 0, ADD, 1, END, 0};
  if (argc != 2) return 2;
  Word accumulator = 1;
  for (Word n = strtoul(argv[1], 0, 10); n > 0; n--) accumulator = execute(code, accumulator, n);
  printf("%lu\n", accumulator);
  return 0;
}
