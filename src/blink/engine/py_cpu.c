/* Python's Cpu: run it, stop it, and the type with its methods. */
#include "py_cpu.h"

#include <stdlib.h>
#include <string.h>
#include <structmember.h>

#include "doctor.h"
#include "cpu_model.h"
#include "forms.h"
#include "jit.h"
#include "memory.h"
#include "py_tape.h"
#include "run.h"
#include "watch.h"

static bool refuse_running(PyObject *self) {
  if (!((CpuObject *)self)->cpu->escape) return false;
  PyErr_SetString(PyExc_RuntimeError, "the Cpu is running");
  return true;
}

static PyObject *cpu_run_method(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  Cpu *c = ((CpuObject *)self)->cpu;
  u64 budget = ~(u64)0;
  if (count && args[0] != Py_None) {
    budget = PyLong_AsUnsignedLongLong(args[0]);
    if (PyErr_Occurred()) return NULL;
  }
  Stop stop;
  Py_BEGIN_ALLOW_THREADS
  stop = cpu_run(c, budget);
  Py_END_ALLOW_THREADS
  return PyLong_FromLong(stop);
}

static PyObject *cpu_reset_method(PyObject *self, PyObject *unused) {
  (void)unused;
  cpu_reset(((CpuObject *)self)->cpu);
  Py_RETURN_NONE;
}

static PyObject *cpu_interrupt(PyObject *self, PyObject *unused) {
  (void)unused;
  Cpu *c = ((CpuObject *)self)->cpu;
  c->interrupt = 1;
  c->limit = 0;
  jit_interrupt(c);
  Py_RETURN_NONE;
}

/* set_jit(on, arena_size=0, arena_place=0) -> bool: whether translation is on now. */
static PyObject *cpu_set_jit(PyObject *self, PyObject *args) {
  Cpu *c = ((CpuObject *)self)->cpu;
  unsigned long long size = 0, place = 0;
  int on;
  if (!PyArg_ParseTuple(args, "p|KK:set_jit", &on, &size, &place)) return NULL;
  if (!on) {
    jit_free(c->jit);
    c->jit = NULL;
  } else if (!c->jit) {
    jit_new(c, (JitPlan){size, place});
  }
  return PyBool_FromLong(c->jit != NULL);
}

static PyObject *cpu_set_model_method(PyObject *self, PyObject *arg) {
  const char *name = PyUnicode_AsUTF8AndSize(arg, NULL);
  if (!name) return NULL;
  const CpuModel *model = cpu_model(name);
  if (!model) return PyErr_Format(PyExc_ValueError, "no CPU model is called %s", name);
  cpu_set_model(((CpuObject *)self)->cpu, model);
  Py_RETURN_NONE;
}

static PyObject *get_model(PyObject *self, void *closure) {
  (void)closure;
  return PyUnicode_FromString(((CpuObject *)self)->cpu->model->name);
}

/* In the child of a fork: the thread of this Cpu is not there. */
static PyObject *cpu_retire(PyObject *self, PyObject *unused) {
  (void)unused;
  Cpu *c = ((CpuObject *)self)->cpu;
  memory_detach(c);
  jit_free(c->jit);
  c->jit = NULL;
  Py_RETURN_NONE;
}

static PyObject *cpu_blocks(PyObject *self, PyObject *unused) {
  (void)unused;
  return py_jit_blocks(((CpuObject *)self)->cpu);
}

static bool parse_code_range(PyObject *self, PyObject *args, const char *format, u64 *range) {
  unsigned long long start, end;
  if (!PyArg_ParseTuple(args, format, &start, &end) || refuse_running(self)) return false;
  range[0] = start, range[1] = end;
  cache_forget(((CpuObject *)self)->cpu);
  return true;
}

static PyObject *cpu_translated(PyObject *self, PyObject *args) {
  u64 range[2];
  if (!parse_code_range(self, args, "KK:translated", range)) return NULL;
  return py_jit_translated(((CpuObject *)self)->cpu, range[0], range[1]);
}

static PyObject *cpu_decoded(PyObject *self, PyObject *args) {
  u64 range[2];
  if (!parse_code_range(self, args, "KK:decoded", range)) return NULL;
  PyObject *out = PyList_New(0);
  for (u64 rip = range[0]; out && rip < range[1]; rip++) {
    if (!cache_begins(((CpuObject *)self)->cpu, rip)) continue;
    PyObject *number = PyLong_FromUnsignedLongLong(rip);
    if (!number || PyList_Append(out, number)) Py_CLEAR(out);
    Py_XDECREF(number);
  }
  return out;
}

static PyObject *cpu_syscall_args(PyObject *self, PyObject *unused) {
  (void)unused;
  const u64 *g = ((CpuObject *)self)->cpu->gpr;
  return Py_BuildValue("KKKKKKK", g[RAX], g[RDI], g[RSI], g[RDX], g[R10], g[R8], g[R9]);
}

static PyObject *cpu_set_result(PyObject *self, PyObject *arg) {
  u64 value = PyLong_AsUnsignedLongLongMask(arg);
  if (PyErr_Occurred()) return NULL;
  ((CpuObject *)self)->cpu->gpr[RAX] = value;
  Py_RETURN_NONE;
}

/* set_breakpoints(iterable of addresses): replaces all. */
static PyObject *cpu_set_breakpoints(PyObject *self, PyObject *arg) {
  Cpu *c = ((CpuObject *)self)->cpu;
  Py_ssize_t count = PySequence_Size(arg);
  if (count < 0 || refuse_running(self)) return NULL;
  u64 *list = malloc(sizeof(u64) * (size_t)(count + 1));
  if (!list) return PyErr_NoMemory();
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = PySequence_GetItem(arg, i);
    list[i] = item ? PyLong_AsUnsignedLongLong(item) : 0;
    Py_XDECREF(item);
    if (PyErr_Occurred()) {
      free(list);
      return NULL;
    }
  }
  cpu_break_at(c, list, (u32)count);
  Py_RETURN_NONE;
}

/* set_watchpoints([(start, length, kind)]): replaces all. */
static PyObject *cpu_set_watchpoints(PyObject *self, PyObject *arg) {
  Py_ssize_t count = PySequence_Size(arg);
  if (count < 0 || refuse_running(self)) return NULL;
  Watch *list = calloc((size_t)count + 1, sizeof *list);
  if (!list) return PyErr_NoMemory();
  for (Py_ssize_t i = 0; i < count; i++) {
    unsigned long long start, length;
    unsigned kind;
    PyObject *item = PySequence_GetItem(arg, i);
    bool ok = item && PyArg_ParseTuple(item, "KKI", &start, &length, &kind);
    Py_XDECREF(item);
    if (!ok) {
      free(list);
      return NULL;
    }
    list[i] = (Watch){start, length, kind};
  }
  if (cpu_set_watches(((CpuObject *)self)->cpu, list, (u32)count)) Py_RETURN_NONE;
  free(list);
  PyErr_SetString(PyExc_RuntimeError, "the doctor is at work");
  return NULL;
}

static PyObject *cpu_set_doctor(PyObject *self, PyObject *unused) {
  (void)unused;
  if (refuse_running(self)) return NULL;
  return PyBool_FromLong(doctor_start(((CpuObject *)self)->cpu));
}

/* set_tape(tape or None, tid=0) */
static PyObject *cpu_set_tape(PyObject *self, PyObject *args) {
  CpuObject *o = (CpuObject *)self;
  PyObject *object;
  unsigned tid = 0;
  if (!PyArg_ParseTuple(args, "O|I:set_tape", &object, &tid) || refuse_running(self)) return NULL;
  Tape *tape = object == Py_None ? NULL : py_tape_get(object);
  if (!tape && object != Py_None) return NULL;
  Py_INCREF(object);
  Py_XDECREF(o->tape);
  o->tape = object;
  o->cpu->tape = tape;
  o->cpu->tape_tid = tid;
  Py_RETURN_NONE;
}

static PyObject *cpu_difference(PyObject *self, PyObject *unused) {
  (void)unused;
  return py_doctor_finding(((CpuObject *)self)->cpu);
}

static PyObject *cpu_break_copy(PyObject *self, PyObject *arg) {
  const char *name = PyUnicode_AsUTF8AndSize(arg, NULL);
  if (!name || refuse_running(self)) return NULL;
  py_jit_break(((CpuObject *)self)->cpu, name);
  Py_RETURN_NONE;
}

static PyObject *cpu_counters(PyObject *self, PyObject *unused) {
  (void)unused;
  const Cpu *c = ((CpuObject *)self)->cpu;
  const u64 *n = c->counters;
  return Py_BuildValue("{sKsKsKsKsKsKsKsK}", "translated", n[COUNT_TRANSLATED], "misses",
                       n[COUNT_MISSES], "blocks", n[COUNT_BLOCKS], "decoded", n[COUNT_DECODED],
                       "flushes", n[COUNT_FLUSHES], "syscalls", n[COUNT_SYSCALLS], "native",
                       n[COUNT_NATIVE], "compared", doctor_compared(c));
}

static PyObject *cpu_new_object(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  (void)kwargs;
  PyObject *memory;
  if (!PyArg_ParseTuple(args, "O", &memory)) return NULL;
  Memory *mem = py_memory_get(memory);
  if (!mem) return NULL;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  CpuObject *self = (CpuObject *)alloc(type, 0);
  if (!self) return NULL;
  self->cpu = cpu_new(mem);
  if (!self->cpu) {
    Py_DECREF(self);
    return PyErr_NoMemory();
  }
  Py_INCREF(memory);
  self->memory = memory;
  return (PyObject *)self;
}

static void cpu_dealloc(PyObject *self) {
  CpuObject *o = (CpuObject *)self;
  PyTypeObject *type = Py_TYPE(self);
  if (o->cpu) cpu_free(o->cpu);
  Py_XDECREF(o->memory);
  Py_XDECREF(o->tape);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

/* Attributes that are plain fields of Cpu. */
enum { READ_ONLY = 1 };
typedef struct {
  u32 offset, size;
} Plain;

#define PLAIN(field) \
  (void *)&(const Plain) { offsetof(Cpu, field), sizeof(((Cpu *)0)->field) }

static PyObject *get_plain(PyObject *self, void *closure) {
  const Plain *p = closure;
  u64 value = 0;
  memcpy(&value, (char *)((CpuObject *)self)->cpu + p->offset, p->size);
  return PyLong_FromUnsignedLongLong(value);
}

static PyObject *get_counting(PyObject *self, void *closure) {
  (void)closure;
  return PyBool_FromLong(((CpuObject *)self)->cpu->counting);
}

static int set_counting(PyObject *self, PyObject *value, void *closure) {
  (void)closure;
  int on = value ? PyObject_IsTrue(value) : 0;
  if (on < 0) return -1;
  if (refuse_running(self)) return -1;
  cpu_count(((CpuObject *)self)->cpu, on);
  return 0;
}

static int set_plain(PyObject *self, PyObject *value, void *closure) {
  const Plain *p = closure;
  u64 word = value ? PyLong_AsUnsignedLongLongMask(value) : 0;
  if (PyErr_Occurred()) return -1;
  memcpy((char *)((CpuObject *)self)->cpu + p->offset, &word, p->size);
  return 0;
}

static PyGetSetDef getset[] = {
    {"icount", get_plain, NULL, "instructions retired", PLAIN(icount)},
    {"counting", get_counting, set_counting,
     "translated code counts instructions, too: icount is exact, budgets run translated", NULL},
    {"rip", get_plain, set_plain, "address of the next instruction", PLAIN(rip)},
    {"mode", get_plain, NULL, "16, 32 or 64", PLAIN(mode)},
    {"native", get_plain, set_plain, "the engine may run passthrough system calls", PLAIN(native)},
    {"model", get_model, NULL, "the name of the CPU model", NULL},
    {"tape_end", get_plain, set_plain, "replaying: the icount where run() stops at the latest",
     PLAIN(tape_end)},
    {"stop_vector", get_plain, NULL, "exception or interrupt vector", PLAIN(stop_vector)},
    {"stop_error", get_plain, NULL, "exception error code", PLAIN(stop_error)},
    {"stop_addr", get_plain, NULL, "faulting address (CR2)", PLAIN(stop_addr)},
    {"stop_signo", get_plain, NULL, "host signal of a memory fault, or 0", PLAIN(stop_signo)},
    {"stop_size", get_plain, NULL, "bytes of the access at a watchpoint", PLAIN(stop_size)},
    {"stop_code", get_plain, NULL, "its si_code", PLAIN(stop_code)},
    {0},
};

static PyMethodDef methods[] = {
    {"set_mode", py_cpu_set_mode, METH_O,
     "set_mode(bits): segments of a Linux process (64, 32), or real mode after a reset (16)."},
    {"segment", py_cpu_segment, METH_O,
     "segment(name) -> (selector, base, limit, rights) of es, cs, ss, ds, fs, gs, gdt, idt, ldt or"
     " tr; rights are bits 40 to 55 of the descriptor."},
    {"set_segment", py_cpu_set_segment, METH_VARARGS,
     "set_segment(name, selector, base, limit, rights); cs and ss may change the mode."},
    {"run", (PyCFunction)(void (*)(void))cpu_run_method, METH_FASTCALL,
     "run(budget=None) -> STOP_* reason; at most `budget` instructions, exactly."},
    {"get", py_cpu_get, METH_O, "get(name) -> int: a register by its lower-case name."},
    {"set", py_cpu_set, METH_VARARGS, "set(name, value)."},
    {"state", py_cpu_state, METH_NOARGS, "state() -> bytes: all architectural state."},
    {"load", py_cpu_load, METH_O, "load(bytes): what state() gave."},
    {"reset", cpu_reset_method, METH_NOARGS, "Power-on state; memory is untouched."},
    {"interrupt", cpu_interrupt, METH_NOARGS, "Make run() return STOP_INTERRUPT soon."},
    {"retire", cpu_retire, METH_NOARGS,
     "Frees what it needs to run: it never will again.  Registers and counters stay readable."},
    {"syscall_args", cpu_syscall_args, METH_NOARGS, "(number, six arguments)."},
    {"set_result", cpu_set_result, METH_O, "set_result(value): RAX, modulo 2**64."},
    {"set_jit", cpu_set_jit, METH_VARARGS,
     "set_jit(on, arena_size=0, arena_place=0) -> bool: translate; False where the host or the "
     "memory"
     " mode cannot.  The other two are for tests: see JitPlan."},
    {"set_model", cpu_set_model_method, METH_O,
     "set_model(name): what CPUID reports and which instructions there are.  ValueError."},
    {"blocks", cpu_blocks, METH_NOARGS,
     "blocks() -> [(guest address, host address of the indirect entry and of the entry, host code,"
     " [(guest offset, host offset)])]: what is translated now."},
    {"translated", cpu_translated, METH_VARARGS,
     "translated(start, end) -> [(guest address, length)]: the blocks that have code of this "
     "range."},
    {"decoded", cpu_decoded, METH_VARARGS,
     "decoded(start, end) -> [guest address]: where the interpreter's decoded blocks begin."},
    {"fxsave", py_cpu_fxsave, METH_NOARGS, "fxsave() -> 512 bytes in FXSAVE64 format."},
    {"fxrstor", py_cpu_fxrstor, METH_O, "fxrstor(bytes): the inverse of fxsave()."},
    {"xsave", py_cpu_xsave, METH_NOARGS,
     "xsave() -> bytes: an XSAVE area, in the standard format, of all that XCR0 has."},
    {"xrstor", py_cpu_xrstor, METH_VARARGS,
     "xrstor(area, components): as XRSTOR64 does; ValueError where it would raise #GP."},
    {"init_fpu", py_cpu_init_fpu, METH_O,
     "init_fpu(components): x87 (1), SSE with MXCSR (2) and AVX (4) to their initial values."},
    {"cpuid", py_cpu_cpuid, METH_VARARGS,
     "cpuid(leaf, sub=0) -> (eax, ebx, ecx, edx) of the guest."},
    {"set_breakpoints", cpu_set_breakpoints, METH_O, "Replace all breakpoints by these addresses."},
    {"set_watchpoints", cpu_set_watchpoints, METH_O,
     "Replace all watchpoints by these: (start, length, WATCH_READ | WATCH_WRITE)."},
    {"set_doctor", cpu_set_doctor, METH_NOARGS,
     "set_doctor() -> bool: from now on compare the translator with the interpreter, block by "
     "block; "
     "False where set_jit() is off."},
    {"set_tape", cpu_set_tape, METH_VARARGS,
     "set_tape(tape, tid=0): native system calls of this thread are recorded there, or replayed."},
    {"difference", cpu_difference, METH_NOARGS, "difference() -> what STOP_DIFFERENCE found."},
    {"break_copy", cpu_break_copy, METH_O,
     "break_copy(name): translate instructions of this name wrongly, so that tests can find it."},
    {"counters", cpu_counters, METH_NOARGS, "counters() -> dict of statistics."},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_new, cpu_new_object},
    {Py_tp_dealloc, cpu_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "Cpu(memory): one guest CPU."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "blink._engine.Cpu",
    .basicsize = sizeof(CpuObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

/* CPU_MODELS: the names, the default first. */
static int add_models(PyObject *module) {
  PyObject *names = PyTuple_New(cpu_model_count);
  if (!names) return -1;
  int bad = 0;
  for (u32 i = 0; i < cpu_model_count && !bad; i++) {
    PyObject *name = PyUnicode_FromString(cpu_models[i].name);
    bad = !name || PyTuple_SetItem(names, i, name);
  }
  if (!bad) bad = PyModule_AddObjectRef(module, "CPU_MODELS", names);
  Py_DECREF(names);
  return bad;
}

int py_cpu_init(PyObject *module) {
  static const struct {
    const char *name;
    int value;
  } stops[] = {
      {"STOP_NONE", STOP_NONE},
      {"STOP_SYSCALL", STOP_SYSCALL},
      {"STOP_SYSCALL_INTERRUPTED", STOP_SYSCALL_INTERRUPTED},
      {"STOP_FAULT", STOP_FAULT},
      {"STOP_INT", STOP_INT},
      {"STOP_BUDGET", STOP_BUDGET},
      {"STOP_INTERRUPT", STOP_INTERRUPT},
      {"STOP_HALT", STOP_HALT},
      {"STOP_UNIMPLEMENTED", STOP_UNIMPLEMENTED},
      {"STOP_BREAKPOINT", STOP_BREAKPOINT},
      {"STOP_PORT", STOP_PORT},
      {"STOP_WATCHPOINT", STOP_WATCHPOINT},
      {"STOP_DIFFERENCE", STOP_DIFFERENCE},
      {"WATCH_READ", WATCH_READ},
      {"WATCH_WRITE", WATCH_WRITE},
  };
  for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
    if (PyModule_AddIntConstant(module, stops[i].name, stops[i].value)) return -1;
  if (add_models(module)) return -1;
  PyObject *type = PyType_FromSpec(&spec);
  if (!type) return -1;
  int bad = PyModule_AddObjectRef(module, "Cpu", type);
  Py_DECREF(type);
  return bad;
}
