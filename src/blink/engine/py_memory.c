/* Python: class Memory, exception MemoryFault, and the constants of the address space. */
#include "py_memory.h"

#include <errno.h>

#include "hostsig.h"
#include "memory_atomic.h"
#include "py_args.h"

typedef struct {
  PyObject_HEAD Memory *mem;
} MemoryObject;

static PyObject *memory_type, *fault_type;

/* A copy of this size and above lets other Python threads run meanwhile. */
enum { LONG_COPY = 1 << 18 };

Memory *py_memory_get(PyObject *object) {
  if (PyObject_TypeCheck(object, (PyTypeObject *)memory_type)) return ((MemoryObject *)object)->mem;
  PyErr_SetString(PyExc_TypeError, "a Memory is required");
  return NULL;
}

PyObject *py_memory_fault(u64 address, bool write) {
  PyObject *error = PyObject_CallFunction(fault_type, "KO", (unsigned long long)address,
                                          write ? Py_True : Py_False);
  PyObject *number = PyLong_FromUnsignedLongLong(address);
  if (error != NULL && number != NULL && PyObject_SetAttrString(error, "address", number) == 0 &&
      PyObject_SetAttrString(error, "write", write ? Py_True : Py_False) == 0)
    PyErr_SetObject(fault_type, error);
  Py_XDECREF(number);
  Py_XDECREF(error);
  return NULL;
}

#define METHOD(name) \
  static PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords)
#define MEM(self) (((MemoryObject *)(self))->mem)

/* --- Mappings --- */

METHOD(py_map) {
  static const Signature sig = {"map", 4, {"addr", "length", "prot", "flags", "fd", "offset"}};
  PyObject *out[MAX_ARGS];
  u64 addr, length, prot, flags, offset = 0;
  long fd = -1;
  int r;
  if (!py_take_args(&sig, args, n, keywords, out)) return NULL;
  if (!py_to_u64(out[0], &addr) || !py_to_u64(out[1], &length)) return NULL;
  if (!py_to_u64(out[2], &prot) || !py_to_u64(out[3], &flags)) return NULL;
  if (out[4] != NULL) fd = PyLong_AsLong(out[4]);
  if (fd == -1 && PyErr_Occurred() != NULL) return NULL;
  if (out[5] != NULL && !py_to_u64(out[5], &offset)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  r = memory_map(MEM(self), addr, length, (u32)prot, (u32)flags, (int)fd, offset);
  Py_END_ALLOW_THREADS
  return py_none_or_errno(r);
}

METHOD(py_unmap) {
  static const Signature sig = {"unmap", 2, {"addr", "length"}};
  u64 v[2];
  int r;
  if (!py_take_ints(&sig, args, n, keywords, v)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  r = memory_unmap(MEM(self), v[0], v[1]);
  Py_END_ALLOW_THREADS
  return py_none_or_errno(r);
}

METHOD(py_protect) {
  static const Signature sig = {"protect", 3, {"addr", "length", "prot"}};
  u64 v[3];
  int r;
  if (!py_take_ints(&sig, args, n, keywords, v)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  r = memory_protect(MEM(self), v[0], v[1], (u32)v[2]);
  Py_END_ALLOW_THREADS
  return py_none_or_errno(r);
}

METHOD(py_remap) {
  static const Signature sig = {"remap", 4, {"old", "old_length", "new", "new_length"}};
  u64 v[4];
  int r;
  if (!py_take_ints(&sig, args, n, keywords, v)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  r = memory_remap(MEM(self), v[0], v[1], v[2], v[3]);
  Py_END_ALLOW_THREADS
  return py_none_or_errno(r);
}

static PyObject *py_reset(PyObject *self, PyObject *unused) {
  (void)unused;
  memory_reset(MEM(self));
  Py_RETURN_NONE;
}

/* --- Access --- */

METHOD(py_read) {
  static const Signature sig = {"read", 2, {"addr", "length", "force"}};
  PyObject *out[MAX_ARGS];
  u64 addr, length, fault;
  bool force, ok;
  if (!py_take_args(&sig, args, n, keywords, out)) return NULL;
  if (!py_to_u64(out[0], &addr) || !py_to_u64(out[1], &length) || !py_to_flag(out[2], &force))
    return NULL;
  Memory *mem = MEM(self);
  /* Before a huge bogus length asks for as much host memory. */
  if (length >= LONG_COPY && !memory_check_flags(mem, addr, length, PAGE_MAPPED, &fault))
    return py_memory_fault(fault, false);
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
  if (bytes == NULL) return NULL;
  char *data = PyBytes_AsString(bytes);
  if (length < LONG_COPY) {
    ok = memory_read(mem, addr, data, length, force, &fault);
  } else {
    Py_BEGIN_ALLOW_THREADS
    ok = memory_read(mem, addr, data, length, force, &fault);
    Py_END_ALLOW_THREADS
  }
  if (ok) return bytes;
  Py_DECREF(bytes);
  return py_memory_fault(fault, false);
}

METHOD(py_write) {
  static const Signature sig = {"write", 2, {"addr", "data", "force"}};
  PyObject *out[MAX_ARGS];
  Py_buffer data;
  u64 addr, fault;
  bool force, ok;
  if (!py_take_args(&sig, args, n, keywords, out)) return NULL;
  if (!py_to_u64(out[0], &addr) || !py_to_flag(out[2], &force)) return NULL;
  if (PyObject_GetBuffer(out[1], &data, PyBUF_SIMPLE) != 0) return NULL;
  Memory *mem = MEM(self);
  if (data.len < LONG_COPY) {
    ok = memory_write(mem, addr, data.buf, (u64)data.len, force, &fault);
  } else {
    Py_BEGIN_ALLOW_THREADS
    ok = memory_write(mem, addr, data.buf, (u64)data.len, force, &fault);
    Py_END_ALLOW_THREADS
  }
  PyBuffer_Release(&data);
  if (!ok) return py_memory_fault(fault, true);
  Py_RETURN_NONE;
}

METHOD(py_read_cstr) {
  static const Signature sig = {"read_cstr", 1, {"addr", "limit"}};
  char small[4096];
  u64 v[2] = {0, sizeof small}, fault;
  if (!py_take_ints(&sig, args, n, keywords, v)) return NULL;
  char *buffer = small;
  if (v[1] > sizeof small) buffer = PyMem_Malloc(v[1]);
  if (buffer == NULL) return PyErr_NoMemory();
  s64 length = memory_read_cstr(MEM(self), v[0], buffer, v[1], &fault);
  PyObject *result = length < 0 ? py_memory_fault(fault, false)
                                : PyBytes_FromStringAndSize(buffer, (Py_ssize_t)length);
  if (buffer != small) PyMem_Free(buffer);
  return result;
}

METHOD(py_zero) {
  static const Signature sig = {"zero", 2, {"addr", "length"}};
  u64 v[2], fault;
  bool ok;
  if (!py_take_ints(&sig, args, n, keywords, v)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  ok = memory_zero(MEM(self), v[0], v[1], &fault);
  Py_END_ALLOW_THREADS
  if (!ok) return py_memory_fault(fault, true);
  Py_RETURN_NONE;
}

METHOD(py_probe) {
  static const Signature sig = {"probe", 2, {"addr", "length", "write"}};
  PyObject *out[MAX_ARGS];
  u64 addr, length, fault;
  bool write;
  if (!py_take_args(&sig, args, n, keywords, out)) return NULL;
  if (!py_to_u64(out[0], &addr) || !py_to_u64(out[1], &length) || !py_to_flag(out[2], &write))
    return NULL;
  if (!memory_probe(MEM(self), addr, length, write, &fault))
    return PyLong_FromUnsignedLongLong(fault);
  Py_RETURN_NONE;
}

METHOD(py_compare_exchange) {
  static const Signature sig = {"compare_exchange", 3, {"addr", "expected", "desired"}};
  PyObject *out[MAX_ARGS];
  u64 addr, expected, desired, fault;
  if (!py_take_args(&sig, args, n, keywords, out)) return NULL;
  if (!py_to_u64(out[0], &addr) || !py_to_u64(out[1], &expected) || !py_to_u64(out[2], &desired))
    return NULL;
  u32 seen = (u32)expected;
  if (!memory_compare_exchange(MEM(self), addr, &seen, (u32)desired, &fault))
    return py_memory_fault(fault, true);
  return PyLong_FromUnsignedLong(seen);
}

METHOD(py_flags) {
  static const Signature sig = {"flags", 1, {"addr"}};
  u64 addr;
  if (!py_take_ints(&sig, args, n, keywords, &addr)) return NULL;
  return PyLong_FromLong(memory_flags(MEM(self), addr));
}

/* --- Runs of equal pages --- */

static int append_run(PyObject *list, u64 start, u64 end, u8 flags) {
  PyObject *item =
      Py_BuildValue("(KKi)", (unsigned long long)start, (unsigned long long)end, (int)flags);
  if (item == NULL) return -1;
  int r = PyList_Append(list, item);
  Py_DECREF(item);
  return r;
}

METHOD(py_runs) {
  static const Signature sig = {"runs", 0, {"start", "end"}};
  const u8 mask = PAGE_MAPPED | PAGE_PROT | PAGE_SHARED;
  u64 v[2] = {0, GUEST_TOP};
  if (!py_take_ints(&sig, args, n, keywords, v)) return NULL;
  PyObject *list = PyList_New(0);
  u64 end = v[1] < GUEST_TOP ? (v[1] + GUEST_PAGE - 1) & GUEST_PAGE_MASK : GUEST_TOP;
  for (u64 at = v[0] & GUEST_PAGE_MASK, stop; list != NULL && at < end; at = stop) {
    u8 flags;
    stop = memory_run(MEM(self), at, end, mask, &flags);
    if (flags != 0 && append_run(list, at, stop, flags) != 0) Py_CLEAR(list);
  }
  return list;
}

static PyObject *py_dirty(PyObject *self, PyObject *unused) {
  (void)unused;
  PyObject *list = PyList_New(0);
  u64 page = memory_dirty_next(MEM(self), 0);
  for (; list != NULL && page < GUEST_TOP; page = memory_dirty_next(MEM(self), page + GUEST_PAGE)) {
    PyObject *item = PyLong_FromUnsignedLongLong(page);
    if (item == NULL || PyList_Append(list, item) != 0) Py_CLEAR(list);
    Py_XDECREF(item);
  }
  return list;
}

/* --- Code, tracking, fork --- */

METHOD(py_prepare_write) {
  static const Signature sig = {"prepare_write", 2, {"addr", "length"}};
  u64 v[2];
  if (!py_take_ints(&sig, args, n, keywords, v)) return NULL;
  memory_prepare_write(MEM(self), v[0], v[1]);
  Py_RETURN_NONE;
}

METHOD(py_invalidate) {
  static const Signature sig = {"invalidate", 2, {"addr", "length"}};
  u64 v[2];
  if (!py_take_ints(&sig, args, n, keywords, v)) return NULL;
  memory_invalidate(MEM(self), v[0], v[1]);
  Py_RETURN_NONE;
}

static PyObject *py_track(PyObject *self, PyObject *unused) {
  (void)unused;
  return py_none_or_errno(memory_track_begin(MEM(self)));
}

static PyObject *py_untrack(PyObject *self, PyObject *unused) {
  (void)unused;
  memory_track_end(MEM(self));
  Py_RETURN_NONE;
}

static PyObject *py_fork_begin(PyObject *self, PyObject *unused) {
  (void)unused;
  memory_fork_begin(MEM(self));
  Py_RETURN_NONE;
}

static PyObject *py_fork_end(PyObject *self, PyObject *unused) {
  (void)unused;
  memory_fork_end(MEM(self));
  Py_RETURN_NONE;
}

/* --- The type --- */

static PyObject *py_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"paged", NULL};
  int paged = 0;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "|p:Memory", names, &paged)) return NULL;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  MemoryObject *self = (MemoryObject *)alloc(type, 0);
  if (self == NULL) return NULL;
  self->mem = memory_new(paged != 0);
  host_sig_ensure();
  if (self->mem != NULL) return (PyObject *)self;
  Py_DECREF(self);
  return PyErr_NoMemory();
}

static void py_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  if (MEM(self) != NULL) memory_free(MEM(self));
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

static PyObject *get_skew(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromUnsignedLongLong(MEM(self)->skew);
}

static PyObject *get_paged(PyObject *self, void *unused) {
  (void)unused;
  return PyBool_FromLong(MEM(self)->paged);
}

static PyObject *get_rss(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromUnsignedLongLong(memory_rss(MEM(self)));
}

static PyObject *get_code_epoch(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromUnsignedLongLong(MEM(self)->code_epoch);
}

static PyObject *get_clock(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromUnsignedLongLong(MEM(self)->clock);
}

static int set_clock(PyObject *self, PyObject *value, void *unused) {
  (void)unused;
  u64 clock = value ? PyLong_AsUnsignedLongLongMask(value) : 0;
  if (PyErr_Occurred()) return -1;
  MEM(self)->clock = clock;
  return 0;
}

#define FAST(name, function, doc) \
  { name, (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS, PyDoc_STR(doc) }
#define PLAIN(name, function, doc) \
  { name, function, METH_NOARGS, PyDoc_STR(doc) }

static PyMethodDef methods[] = {
    FAST("map", py_map,
         "map(addr, length, prot, flags, fd=-1, offset=0)\n--\n\n"
         "Map pages at addr as mmap(2) with MAP_FIXED does; prot is a sum of PAGE_R, W, X.\n"
         "OSError: EEXIST when something of the host is there, else the host's errno."),
    FAST("unmap", py_unmap,
         "unmap(addr, length)\n--\n\nUnmap the guest's pages in the range, as munmap(2)."),
    FAST("protect", py_protect,
         "protect(addr, length, prot)\n--\n\n"
         "Change protection as mprotect(2); OSError ENOMEM at the first unmapped page."),
    FAST("remap", py_remap,
         "remap(old, old_length, new, new_length)\n--\n\n"
         "Move, or resize in place if old == new, as mremap(2).  old_length 0 makes a second\n"
         "view of a shared mapping."),
    PLAIN("reset", py_reset, "reset()\n--\n\nUnmap everything (execve)."),
    FAST("read", py_read,
         "read(addr, length, force=False)\n--\n\n"
         "The bytes at addr.  MemoryFault names the first unreadable address; force reads\n"
         "mapped pages whatever their protection."),
    FAST("write", py_write,
         "write(addr, data, force=False)\n--\n\n"
         "Store data at addr.  MemoryFault names the first address that is not writable; force\n"
         "writes private pages whatever their protection."),
    FAST("read_cstr", py_read_cstr,
         "read_cstr(addr, limit=4096)\n--\n\n"
         "The bytes before the first NUL; `limit` bytes if none of them is NUL.  MemoryFault when\n"
         "an unreadable page comes first."),
    FAST("zero", py_zero, "zero(addr, length)\n--\n\nStore zeros; errors as for write()."),
    FAST("probe", py_probe,
         "probe(addr, length, write=False)\n--\n\n"
         "The first inaccessible address of the range, or None."),
    FAST("compare_exchange", py_compare_exchange,
         "compare_exchange(addr, expected, desired)\n--\n\n"
         "Stores a 32-bit word, atomically, if it holds `expected`; what it held."),
    FAST("flags", py_flags, "flags(addr)\n--\n\nThe PAGE_* flags of a page; 0 if unmapped."),
    FAST("runs", py_runs,
         "runs(start=0, end=GUEST_TOP)\n--\n\n"
         "List of (start, end, flags) of mapped pages with equal MAPPED, R, W, X and SHARED."),
    FAST("prepare_write", py_prepare_write,
         "prepare_write(addr, length)\n--\n\n"
         "Call before the host kernel writes there: lifts CODE and TRACK protection."),
    FAST("invalidate", py_invalidate,
         "invalidate(addr, length)\n--\n\nForget code that was decoded from these pages."),
    PLAIN("track", py_track,
          "track()\n--\n\nNote writes to private pages from now on; forgets what was noted."),
    PLAIN("untrack", py_untrack, "untrack()\n--\n\nStop tracking and forget what was noted."),
    PLAIN("dirty", py_dirty,
          "dirty()\n--\n\nAddresses of the pages written since track(), ascending."),
    PLAIN("fork_begin", py_fork_begin,
          "fork_begin()\n--\n\nHold changes by other threads; call just before fork(2)."),
    PLAIN("fork_end", py_fork_end,
          "fork_end()\n--\n\nRelease them; call after fork(2) in parent and child."),
    {NULL, NULL, 0, NULL}};

static PyGetSetDef attributes[] = {
    {"skew", get_skew, NULL, PyDoc_STR("host address - guest address, in bytes"), NULL},
    {"paged", get_paged, NULL, PyDoc_STR("whether every access is checked in software"), NULL},
    {"rss", get_rss, NULL, PyDoc_STR("resident bytes of the guest; slow"), NULL},
    {"clock", get_clock, set_clock,
     PyDoc_STR("0: RDTSC asks the host; else it counts from here, and RDPID gives 0"), NULL},
    {"code_epoch", get_code_epoch, NULL, PyDoc_STR("grows when decoded code is invalidated"), NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Memory(paged=False)\n--\n\nThe guest's address space; see memory.h."},
    {Py_tp_new, (void *)py_new},
    {Py_tp_dealloc, (void *)py_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL}};

static PyType_Spec spec = {.name = "blink._engine.Memory",
                           .basicsize = sizeof(MemoryObject),
                           .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                           .slots = slots};

static int add_constants(PyObject *module) {
  static const struct {
    const char *name;
    u64 value;
  } constants[] = {{"PAGE_R", PAGE_R},           {"PAGE_W", PAGE_W},
                   {"PAGE_X", PAGE_X},           {"PAGE_CODE", PAGE_CODE},
                   {"PAGE_MAPPED", PAGE_MAPPED}, {"PAGE_TRACK", PAGE_TRACK},
                   {"PAGE_SHARED", PAGE_SHARED}, {"PAGE_DIRTY", PAGE_DIRTY},
                   {"GUEST_TOP", GUEST_TOP},     {"PAGED_SKEW", PAGED_SKEW}};
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    PyObject *value = PyLong_FromUnsignedLongLong(constants[i].value);
    int r = value != NULL ? PyModule_AddObjectRef(module, constants[i].name, value) : -1;
    Py_XDECREF(value);
    if (r != 0) return -1;
  }
  return 0;
}

int py_memory_init(PyObject *module) {
  fault_type = PyErr_NewExceptionWithDoc(
      "blink._engine.MemoryFault",
      "An inaccessible guest address: .address, and .write whether it was to be written.", NULL,
      NULL);
  if (fault_type == NULL || PyModule_AddObjectRef(module, "MemoryFault", fault_type) != 0)
    return -1;
  memory_type = PyType_FromSpec(&spec);
  if (memory_type == NULL || PyModule_AddObjectRef(module, "Memory", memory_type) != 0) return -1;
  return add_constants(module);
}
