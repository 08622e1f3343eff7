/* Python's view of a Cpu's state: registers by name, segments, images, CPUID. */
#include <stddef.h>
#include <string.h>

#include "_generated_flags.h"
#include "bodies.h"
#include "py_cpu.h"
#include "run.h"
#include "segment.h"
#include "xsave.h"

typedef struct {
  const char *name;
  u16 offset, size;
} Register;

#define FIELD(name, field) \
  { name, offsetof(Cpu, field), sizeof(((Cpu *)0)->field) }

static const Register registers[] = {
    FIELD("rax", gpr[0]),      FIELD("rcx", gpr[1]),      FIELD("rdx", gpr[2]),
    FIELD("rbx", gpr[3]),      FIELD("rsp", gpr[4]),      FIELD("rbp", gpr[5]),
    FIELD("rsi", gpr[6]),      FIELD("rdi", gpr[7]),      FIELD("r8", gpr[8]),
    FIELD("r9", gpr[9]),       FIELD("r10", gpr[10]),     FIELD("r11", gpr[11]),
    FIELD("r12", gpr[12]),     FIELD("r13", gpr[13]),     FIELD("r14", gpr[14]),
    FIELD("r15", gpr[15]),     FIELD("rip", rip),         FIELD("fs_base", fs_base),
    FIELD("gs_base", gs_base), FIELD("mxcsr", mxcsr),     FIELD("es", seg[0]),
    FIELD("cs", seg[1]),       FIELD("ss", seg[2]),       FIELD("ds", seg[3]),
    FIELD("fs", seg[4]),       FIELD("gs", seg[5]),       FIELD("xcr0", xcr0),
    FIELD("fcw", x87.cw),      FIELD("entropy", entropy), FIELD("cr0", cr0),
    FIELD("cr2", cr2),         FIELD("cr3", cr3),         FIELD("cr4", cr4),
    FIELD("cr8", cr8),         FIELD("efer", efer),       FIELD("cpl", cpl),
};

static const Register *find_register(const char *name) {
  for (size_t i = 0; i < sizeof registers / sizeof *registers; i++)
    if (!strcmp(registers[i].name, name)) return &registers[i];
  return NULL;
}

static void set_flags_word(Cpu *c, u32 value) {
  c->eflags = value | FLAG_ONE;
  c->cc_op = CC_FLAGS;
}

/* 0..31 for "xmm<n>" and "ymm<n>", else -1. */
static int vector_number(const char *name) {
  bool vector = !strncmp(name, "xmm", 3) || !strncmp(name, "ymm", 3);
  if (!vector || name[3] < '0' || name[3] > '9') return -1;
  int n = name[3] - '0';
  if (name[4]) n = n * 10 + name[4] - '0';
  return n < 32 ? n : -1;
}

static size_t vector_size(const char *name) { return name[0] == 'y' ? 32 : 16; }

static PyObject *unknown_register(const char *name) {
  PyErr_Format(PyExc_KeyError, "no register is called %s", name);
  return NULL;
}

static PyObject *from_bytes(const void *data, size_t size) {
  PyObject *type = (PyObject *)&PyLong_Type;
  return PyObject_CallMethod(type, "from_bytes", "y#s", (const char *)data, (Py_ssize_t)size,
                             "little");
}

static int to_bytes(PyObject *value, void *data, size_t size) {
  PyObject *bytes = PyObject_CallMethod(value, "to_bytes", "ns", (Py_ssize_t)size, "little");
  char *text;
  Py_ssize_t length;
  if (!bytes) return -1;
  int bad = PyBytes_AsStringAndSize(bytes, &text, &length);
  if (!bad) memcpy(data, text, size);
  Py_DECREF(bytes);
  return bad;
}

PyObject *py_cpu_get(PyObject *self, PyObject *arg) {
  Cpu *c = ((CpuObject *)self)->cpu;
  const char *name = PyUnicode_AsUTF8AndSize(arg, NULL);
  if (!name) return NULL;
  if (!strcmp(name, "eflags")) return PyLong_FromUnsignedLong(flags_word(c));
  int n = vector_number(name);
  if (n >= 0) return from_bytes(&c->vec[n], vector_size(name));
  const Register *r = find_register(name);
  if (!r) return unknown_register(name);
  u64 value = 0;
  memcpy(&value, (char *)c + r->offset, r->size);
  return PyLong_FromUnsignedLongLong(value);
}

PyObject *py_cpu_set(PyObject *self, PyObject *args) {
  Cpu *c = ((CpuObject *)self)->cpu;
  const char *name;
  PyObject *value;
  if (!PyArg_ParseTuple(args, "sO!", &name, &PyLong_Type, &value)) return NULL;
  int n = vector_number(name);
  if (n >= 0) {
    if (to_bytes(value, &c->vec[n], vector_size(name))) return NULL;
    Py_RETURN_NONE;
  }
  u64 word = PyLong_AsUnsignedLongLong(value);
  if (PyErr_Occurred()) return NULL;
  if (!strcmp(name, "eflags")) {
    set_flags_word(c, (u32)word);
    Py_RETURN_NONE;
  }
  const Register *r = find_register(name);
  if (!r) return unknown_register(name);
  memcpy((char *)c + r->offset, &word, r->size);
  if (r->offset >= offsetof(Cpu, seg_limit)) cpu_mode_changed(c);
  Py_RETURN_NONE;
}

PyObject *py_cpu_set_mode(PyObject *self, PyObject *arg) {
  long mode = PyLong_AsLong(arg);
  if (PyErr_Occurred()) return NULL;
  if (mode != 16 && mode != 32 && mode != 64) {
    PyErr_SetString(PyExc_ValueError, "mode must be 16, 32 or 64");
    return NULL;
  }
  segments_reset(((CpuObject *)self)->cpu, (u32)mode);
  Py_RETURN_NONE;
}

/* A segment register's number, or 6 to 9: GDTR, IDTR, LDTR, TR. */
static int segment_number(const char *name) {
  static const char *const names[] = {"es", "cs",  "ss",  "ds",  "fs",
                                      "gs", "gdt", "idt", "ldt", "tr"};
  for (int i = 0; i < 10; i++)
    if (!strcmp(names[i], name)) return i;
  return -1;
}

static SystemTable *system_table(Cpu *c, int n) {
  SystemTable *const tables[] = {&c->gdt, &c->idt, &c->ldt, &c->tr};
  return tables[n - 6];
}

PyObject *py_cpu_segment(PyObject *self, PyObject *arg) {
  Cpu *c = ((CpuObject *)self)->cpu;
  const char *name = PyUnicode_AsUTF8AndSize(arg, NULL);
  if (!name) return NULL;
  int n = segment_number(name);
  if (n < 0) return unknown_register(name);
  if (n < 6)
    return Py_BuildValue("HKIH", c->seg[n], c->seg_base[n], c->seg_limit[n], c->seg_rights[n]);
  const SystemTable *t = system_table(c, n);
  return Py_BuildValue("HKIH", t->selector, t->base, t->limit, t->rights);
}

PyObject *py_cpu_set_segment(PyObject *self, PyObject *args) {
  Cpu *c = ((CpuObject *)self)->cpu;
  const char *name;
  unsigned long long base;
  unsigned limit;
  unsigned short selector, rights;
  if (!PyArg_ParseTuple(args, "sHKIH:set_segment", &name, &selector, &base, &limit, &rights))
    return NULL;
  int n = segment_number(name);
  if (n < 0) return unknown_register(name);
  if (n < 6) segment_set(c, (u32)n, selector, &(Descriptor){base, 0, limit, rights});
  else *system_table(c, n) = (SystemTable){base, limit, selector, rights};
  Py_RETURN_NONE;
}

/* What changes code must not come while another thread runs it. */
/* The whole architectural state as bytes (save_state/load_state): see STATE_SIZE. */
PyObject *py_cpu_state(PyObject *self, PyObject *unused) {
  (void)unused;
  Cpu *c = ((CpuObject *)self)->cpu;
  set_flags_word(c, flags_word(c));
  size_t head = offsetof(Cpu, limit);
  size_t tail = offsetof(Cpu, tlb) - offsetof(Cpu, seg_base);
  PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(head + tail));
  if (!out) return NULL;
  char *data = PyBytes_AsString(out);
  memcpy(data, c, head);
  memcpy(data + head, (char *)c + offsetof(Cpu, seg_base), tail);
  return out;
}

PyObject *py_cpu_load(PyObject *self, PyObject *arg) {
  Cpu *c = ((CpuObject *)self)->cpu;
  size_t head = offsetof(Cpu, limit);
  size_t tail = offsetof(Cpu, tlb) - offsetof(Cpu, seg_base);
  char *data;
  Py_ssize_t size;
  if (PyBytes_AsStringAndSize(arg, &data, &size)) return NULL;
  if ((size_t)size != head + tail) {
    PyErr_SetString(PyExc_ValueError, "the saved CPU state has another version's size");
    return NULL;
  }
  memcpy(c, data, head);
  memcpy((char *)c + offsetof(Cpu, seg_base), data + head, tail);
  cpu_mode_changed(c);
  Py_RETURN_NONE;
}

PyObject *py_cpu_fxsave(PyObject *self, PyObject *unused) {
  (void)unused;
  u8 image[512] = {0};
  x87_save_image(((CpuObject *)self)->cpu, image, true);
  return PyBytes_FromStringAndSize((char *)image, sizeof image);
}

PyObject *py_cpu_fxrstor(PyObject *self, PyObject *arg) {
  char *data;
  Py_ssize_t size;
  if (PyBytes_AsStringAndSize(arg, &data, &size)) return NULL;
  if (size != 512) {
    PyErr_SetString(PyExc_ValueError, "an FXSAVE image has 512 bytes");
    return NULL;
  }
  if (!x87_load_image(((CpuObject *)self)->cpu, data, true)) {
    PyErr_SetString(PyExc_ValueError, "MXCSR has reserved bits");
    return NULL;
  }
  Py_RETURN_NONE;
}

PyObject *py_cpu_xsave(PyObject *self, PyObject *unused) {
  (void)unused;
  const Cpu *c = ((CpuObject *)self)->cpu;
  XsaveArea area = {0};
  xsave_state(c, &area, c->xcr0, XSAVE, true);
  return PyBytes_FromStringAndSize((char *)&area, xsave_length(c->xcr0));
}

PyObject *py_cpu_xrstor(PyObject *self, PyObject *args) {
  Cpu *c = ((CpuObject *)self)->cpu;
  const char *data;
  Py_ssize_t size;
  unsigned long long components;
  XsaveArea area = {0};
  if (!PyArg_ParseTuple(args, "y#K:xrstor", &data, &size, &components)) return NULL;
  memcpy(&area, data, (size_t)size < sizeof area ? (size_t)size : sizeof area);
  bool whole = size >= XSAVE_HEADER_END && size >= xrstor_length(&area, components & c->xcr0);
  if (whole && xrstor_state(c, &area, components & c->xcr0, true)) Py_RETURN_NONE;
  PyErr_SetString(PyExc_ValueError, "XRSTOR would refuse this area");
  return NULL;
}

PyObject *py_cpu_init_fpu(PyObject *self, PyObject *arg) {
  u64 components = PyLong_AsUnsignedLongLong(arg);
  if (PyErr_Occurred()) return NULL;
  xstate_init(((CpuObject *)self)->cpu, components);
  Py_RETURN_NONE;
}

PyObject *py_cpu_cpuid(PyObject *self, PyObject *args) {
  Cpu *c = ((CpuObject *)self)->cpu;
  unsigned leaf, sub = 0;
  if (!PyArg_ParseTuple(args, "I|I:cpuid", &leaf, &sub)) return NULL;
  u64 saved[] = {c->gpr[RAX], c->gpr[RBX], c->gpr[RCX], c->gpr[RDX]};
  c->gpr[RAX] = leaf;
  c->gpr[RCX] = sub;
  cpuid_body(c);
  PyObject *out = Py_BuildValue("KKKK", c->gpr[RAX], c->gpr[RBX], c->gpr[RCX], c->gpr[RDX]);
  c->gpr[RAX] = saved[0];
  c->gpr[RBX] = saved[1];
  c->gpr[RCX] = saved[2];
  c->gpr[RDX] = saved[3];
  return out;
}
