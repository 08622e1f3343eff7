/* Python's Tape: the memory of a log, for the engine's side of recording; and a fork that nobody hears. */
#include "py_tape.h"

#include <string.h>
#include <structmember.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostcall.h"
#include "py_module.h"

static PyTypeObject *tape_type;

Tape *py_tape_get(PyObject *object) {
  if (PyObject_TypeCheck(object, tape_type)) return &((TapeObject *)object)->tape;
  PyErr_SetString(PyExc_TypeError, "not a Tape");
  return NULL;
}

static PyObject *tape_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  static char *names[] = {"address", "limit", "recording", "left", NULL};
  unsigned long long address, limit;
  int recording;
  const char *left;
  Py_ssize_t count;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "KKpy#:Tape", names, &address, &limit,
                                   &recording, &left, &count))
    return NULL;
  if (count != TAPE_CALLS) return PyErr_Format(PyExc_ValueError, "left: %d bytes", TAPE_CALLS);
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  TapeObject *self = (TapeObject *)alloc(type, 0);
  if (!self) return NULL;
  self->tape.base = (u8 *)address;
  self->tape.limit = limit;
  self->tape.recording = recording;
  memcpy(self->tape.left, left, TAPE_CALLS);
  return (PyObject *)self;
}

static void tape_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"at", T_ULONGLONG, offsetof(TapeObject, tape.at), 0, "replaying: where the next record is"},
    {"others", T_ULONGLONG, offsetof(TapeObject, tape.others), 0,
     "recording: instructions of all threads but the one that runs"},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Tape(address, limit, recording, left): a log in memory; left: 512 flags, the "
     "calls that the engine leaves to Python."},
    {Py_tp_new, tape_new},
    {Py_tp_dealloc, tape_dealloc},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "blink._engine.Tape",
    .basicsize = sizeof(TapeObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

/* A child with exit signal 0: its end sends no SIGCHLD, and wait4(2) without __WALL does not see it.  By
 * the host's call itself, for fork(3) has no such thing: the caller sees to it that no other thread is
 * inside of malloc. */
static PyObject *fork_quietly(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  PyOS_BeforeFork();
  s64 pid = host_syscall(SYS_clone, 0, 0, 0, 0, 0, 0);
  if (pid == 0) PyOS_AfterFork_Child();
  else PyOS_AfterFork_Parent();
  return PyLong_FromLongLong(pid);
}

static PyMethodDef methods[] = {
    {"fork_quietly", fork_quietly, METH_NOARGS,
     "fork_quietly() -> int\n\nAs fork(2), but the child's end is no news to anybody; -errno."},
    {NULL, NULL, 0, NULL},
};

int py_tape_init(PyObject *module) {
  if (PyModule_AddFunctions(module, methods)) return -1;
  tape_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return tape_type ? PyModule_AddObjectRef(module, "Tape", (PyObject *)tape_type) : -1;
}
