/* What the translator made, for people to read: Cpu.blocks(). */
#include "py_module.h"

#if defined(__x86_64__)

#include "jit_impl.h"

/* [(offset in the guest's code, offset in the host's)], one an instruction. */
static PyObject *instructions(const Jit *j, const JitBlock *b) {
  PyObject *out = PyList_New(0);
  const JitInsn *n = &j->insns[b->insns];
  for (u32 i = 0; out && (i == 0 || n->host); i++, n++) {
    if (n->pad) continue;
    PyObject *pair = Py_BuildValue("II", (unsigned)n->guest, (unsigned)n->host);
    if (!pair || PyList_Append(out, pair)) Py_CLEAR(out);
    Py_XDECREF(pair);
  }
  return out;
}

static int append_block(PyObject *out, const Jit *j, const JitBlock *b) {
  PyObject *list = instructions(j, b);
  if (!list) return -1;
  PyObject *row = Py_BuildValue("KKKy#N", b->rip, (unsigned long long)(u64)b->code,
                                (unsigned long long)(u64)jit_entry(b), (char *)b->code,
                                (Py_ssize_t)b->size, list);
  int bad = row ? PyList_Append(out, row) : -1;
  Py_XDECREF(row);
  return bad;
}

PyObject *py_jit_blocks(const Cpu *c) {
  PyObject *out = PyList_New(0);
  for (u32 i = 0; c->jit && out && i < ARENAS; i++) {
    const JitArena *a = &c->jit->arenas[i];
    for (u32 n = 0; out && n < a->count; n++)
      if (!a->blocks[n].dead && append_block(out, c->jit, &a->blocks[n])) Py_CLEAR(out);
  }
  return out;
}

static bool append_range(void *list, const JitBlock *b) {
  PyObject *row = Py_BuildValue("KI", b->rip, (unsigned)b->length);
  int bad = row ? PyList_Append(list, row) : -1;
  Py_XDECREF(row);
  return !bad;
}

PyObject *py_jit_translated(const Cpu *c, u64 start, u64 end) {
  PyObject *out = PyList_New(0);
  if (out && c->jit) jit_each_in(c->jit, start, end, append_range, out);
  if (out && PyErr_Occurred()) Py_CLEAR(out);
  return out;
}

void py_jit_break(Cpu *c, const char *name) {
  if (!c->jit) return;
  strncpy(c->jit->broken, name, sizeof c->jit->broken - 1);
  jit_flush(c);
}

#else

void py_jit_break(Cpu *c, const char *name) { (void)c, (void)name; }

PyObject *py_jit_blocks(const Cpu *c) {
  (void)c;
  return PyList_New(0);
}

PyObject *py_jit_translated(const Cpu *c, u64 start, u64 end) {
  (void)c, (void)start, (void)end;
  return PyList_New(0);
}

#endif
