/* Python's view of host signals, host calls and the native path's settings. */
#include "py_module.h"

#include <errno.h>

#include "doctor.h"
#include "hostcall.h"
#include "hostsig.h"
#include "syscall_native.h"

enum { CALL_ARGS = 6 };

/* --- Host calls --- */

typedef struct {
  u64 nr, args[CALL_ARGS];
  Py_buffer views[CALL_ARGS];
  int view_count;
} HostCall;

static void release_views(HostCall *call) {
  while (call->view_count > 0) PyBuffer_Release(&call->views[--call->view_count]);
}

/* An integer (its low 64 bits), or the address of a buffer's contents. */
static bool parse_word(HostCall *call, PyObject *value, u64 *word) {
  if (PyLong_Check(value)) {
    *word = PyLong_AsUnsignedLongLongMask(value);
    return true;
  }
  Py_buffer *view = &call->views[call->view_count];
  if (PyObject_GetBuffer(value, view, PyBUF_SIMPLE) != 0) return false;
  call->view_count++;
  *word = (u64)view->buf;
  return true;
}

static bool parse_call(HostCall *call, PyObject *const *args, Py_ssize_t count) {
  call->view_count = 0;
  if (count < 1 || count > 1 + CALL_ARGS || !PyLong_Check(args[0])) {
    PyErr_SetString(PyExc_TypeError, "a host call takes its number and at most 6 arguments");
    return false;
  }
  call->nr = PyLong_AsUnsignedLongLongMask(args[0]);
  for (Py_ssize_t i = 0; i < CALL_ARGS; i++) {
    call->args[i] = 0;
    if (i + 1 >= count || parse_word(call, args[i + 1], &call->args[i])) continue;
    release_views(call);
    return false;
  }
  return true;
}

static PyObject *host_call(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  HostCall call;
  if (!parse_call(&call, args, count)) return NULL;
  HostThread *thread = host_thread();
  PyThreadState *python = PyEval_SaveThread();
  s64 result = hostcall(&thread->interrupt, call.nr, call.args);
  PyEval_RestoreThread(python);
  release_views(&call);
  return PyLong_FromLongLong(result);
}

static PyObject *host_call_now(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  HostCall call;
  if (!parse_call(&call, args, count)) return NULL;
  const u64 *a = call.args;
  s64 result = host_syscall(call.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  release_views(&call);
  return PyLong_FromLongLong(result);
}

static PyObject *buffer_address(PyObject *module, PyObject *value) {
  (void)module;
  Py_buffer view;
  if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) != 0) return NULL;
  u64 address = (u64)view.buf;
  PyBuffer_Release(&view);
  return PyLong_FromUnsignedLongLong(address);
}

static PyObject *host_call_marks(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return Py_BuildValue("KKKK", (u64)hostcall, (u64)hostcall_start, (u64)hostcall_syscall,
                       (u64)hostcall_abort);
}

/* --- Signals --- */

static PyObject *sig_init(PyObject *module, PyObject *inherited) {
  (void)module;
  u64 ignored, blocked, ignored_in, blocked_in;
  if (inherited == Py_None) {
    host_sig_init(NULL, NULL, &ignored, &blocked);
  } else {
    if (!PyTuple_Check(inherited)) return PyErr_Format(PyExc_TypeError, "not a pair of masks");
    if (!PyArg_ParseTuple(inherited, "KK:sig_init", &ignored_in, &blocked_in)) return NULL;
    host_sig_init(&ignored_in, &blocked_in, &ignored, &blocked);
  }
  return Py_BuildValue("KK", ignored, blocked);
}

static PyObject *os_error(int error) {
  errno = error;
  return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *sig_set(PyObject *module, PyObject *args) {
  (void)module;
  int signo, how;
  unsigned long long flags = 0;
  if (!PyArg_ParseTuple(args, "ii|K:sig_set", &signo, &how, &flags)) return NULL;
  int result = host_sig_set(signo, (SigHow)how, flags);
  if (result != 0) return os_error(-result);
  Py_RETURN_NONE;
}

static PyObject *sig_take(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  u8 info[SIGINFO_SIZE];
  int signo = host_sig_take(info);
  if (signo == 0) Py_RETURN_NONE;
  return Py_BuildValue("iy#", signo, info, (Py_ssize_t)SIGINFO_SIZE);
}

static PyObject *sig_setmask(PyObject *module, PyObject *arg) {
  (void)module;
  u64 old, mask = PyLong_AsUnsignedLongLongMask(arg);
  if (PyErr_Occurred()) return NULL;
  if (!host_sig_setmask(mask, &old)) return PyLong_FromLong(-HOST_ERESTARTSYS);
  return PyLong_FromUnsignedLongLong(old);
}

static PyObject *sig_pending(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return PyLong_FromUnsignedLongLong(host_sig_pending());
}

static PyObject *sig_after_fork(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  host_sig_after_fork();
  doctor_after_fork();
  Py_RETURN_NONE;
}

static PyObject *sig_kick(PyObject *module, PyObject *arg) {
  (void)module;
  long tid = PyLong_AsLong(arg);
  if (PyErr_Occurred()) return NULL;
  int result = host_sig_kick((int)tid);
  if (result != 0) return os_error(-result);
  Py_RETURN_NONE;
}

static PyObject *sig_kicks(PyObject *module, PyObject *args) {
  (void)module;
  unsigned long long nanoseconds = 0;
  int how;
  if (!PyArg_ParseTuple(args, "i|K", &how, &nanoseconds)) return NULL;
  return PyLong_FromLong(host_sig_kicks((KickHow)how, nanoseconds));
}

static PyObject *sig_return(PyObject *module, PyObject *args) {
  (void)module;
  int signo;
  Py_buffer info;
  if (!PyArg_ParseTuple(args, "iy*", &signo, &info)) return NULL;
  int result = info.len == SIGINFO_SIZE ? host_sig_return(signo, info.buf) : -EINVAL;
  PyBuffer_Release(&info);
  return PyLong_FromLong(result);
}

static PyObject *sig_die(PyObject *module, PyObject *arg) {
  (void)module;
  long signo = PyLong_AsLong(arg);
  if (PyErr_Occurred()) return NULL;
  if (signo < 1 || signo > SIGNAL_MAX) return os_error(EINVAL);
  host_sig_die((int)signo);
}

/* --- Settings --- */

static PyObject *set_message_fd(PyObject *module, PyObject *arg) {
  (void)module;
  long fd = PyLong_AsLong(arg);
  if (PyErr_Occurred()) return NULL;
  host_message_fd = (int)fd;
  Py_RETURN_NONE;
}

static PyObject *set_hidden_fds(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  u32 fds[HIDDEN_FDS];
  if (count > HIDDEN_FDS) return PyErr_Format(PyExc_ValueError, "too many hidden descriptors");
  for (Py_ssize_t i = 0; i < count; i++) {
    fds[i] = (u32)PyLong_AsUnsignedLong(args[i]);
    if (PyErr_Occurred()) return NULL;
  }
  native_hide(fds, (u32)count);
  Py_RETURN_NONE;
}

static PyObject *set_native_paths(PyObject *module, PyObject *arg) {
  (void)module;
  int allowed = PyObject_IsTrue(arg);
  if (allowed < 0) return NULL;
  native_paths = allowed != 0;
  Py_RETURN_NONE;
}

static PyObject *set_watched_fds(PyObject *module, PyObject *arg) {
  (void)module;
  u64 mask = PyLong_AsUnsignedLongLong(arg);
  if (PyErr_Occurred()) return NULL;
  native_watched = mask;
  Py_RETURN_NONE;
}

/* --- The module's part --- */

#define FASTCALL(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL

static PyMethodDef methods[] = {
    {"host_call", FASTCALL(host_call),
     "host_call(nr, *args) -> int\n\nA host call that may block; the GIL is released.  Arguments "
     "are integers or buffers (their address).\nThe result, -errno, or -512 when a signal came "
     "before the call began."},
    {"host_call_now", FASTCALL(host_call_now),
     "host_call_now(nr, *args) -> int\n\nA host call that does not block, whatever signals wait; "
     "the GIL is kept."},
    {"buffer_address", buffer_address, METH_O,
     "buffer_address(buffer) -> int\n\nWhere its bytes are, for host structures that hold "
     "pointers; keep it alive, and do not resize it."},
    {"host_call_marks", host_call_marks, METH_NOARGS,
     "host_call_marks() -> (entry, start, syscall, abort)\n\nAddresses in the blocking primitive, "
     "for tests and debuggers."},
    {"sig_init", sig_init, METH_O,
     "sig_init(inherited) -> (ignored, blocked)\n\nTakes over all dispositions and sets them and "
     "the mask to the inherited ones.\nNone: as they are, less what CPython changes."},
    {"sig_set", sig_set, METH_VARARGS,
     "sig_set(signo, how, flags=0)\n\nhow: DEFAULT, IGNORE or CATCH; flags: the guest's "
     "SA_RESTART, SA_NOCLDSTOP, SA_NOCLDWAIT."},
    {"sig_take", sig_take, METH_NOARGS,
     "sig_take() -> (signo, siginfo) | None\n\nEmpties this thread's box.  All signals stay "
     "blocked until sig_setmask."},
    {"sig_setmask", sig_setmask, METH_O,
     "sig_setmask(mask) -> int\n\nThe mask before; -512 with nothing changed when a signal waits "
     "in the box."},
    {"sig_pending", sig_pending, METH_NOARGS, "sig_pending() -> int\n\nAs rt_sigpending(2)."},
    {"sig_after_fork", sig_after_fork, METH_NOARGS,
     "sig_after_fork()\n\nIn the child: forgets what the parent has yet to take."},
    {"sig_kick", sig_kick, METH_O,
     "sig_kick(tid)\n\nMakes a thread of this process leave run() or host_call."},
    {"sig_kicks", sig_kicks, METH_VARARGS,
     "sig_kicks(how, nanoseconds=0)\n\nKicks this thread so often; KICK_WAITS lets calls begin.\n"
     "How many waits earlier kicks ended, or -errno."},
    {"sig_return", sig_return, METH_VARARGS,
     "sig_return(signo, siginfo)\n\nThe host holds a signal that was taken until the mask lets it\n"
     "in.  0 or -errno."},
    {"sig_die", sig_die, METH_O, "sig_die(signo)\n\nDies by the signal's default action."},
    {"set_message_fd", set_message_fd, METH_O,
     "set_message_fd(fd)\n\nWhere the signal handler reports a fault of our own; 2 at first."},
    {"set_hidden_fds", FASTCALL(set_hidden_fds),
     "set_hidden_fds(*fds)\n\nThese descriptors are ours: native calls get EBADF."},
    {"set_native_paths", set_native_paths, METH_O,
     "set_native_paths(allowed)\n\nWhether native calls may take paths: no root, nothing virtual."},
    {"set_watched_fds", set_watched_fds, METH_O,
     "set_watched_fds(mask)\n\nCalls on these descriptors, bit n for n < 64, are Python's."},
    {NULL, NULL, 0, NULL},
};

int py_host_init(PyObject *module) {
  if (PyModule_AddFunctions(module, methods) != 0) return -1;
  if (PyModule_AddIntConstant(module, "DEFAULT", SIG_HOW_DEFAULT) != 0) return -1;
  if (PyModule_AddIntConstant(module, "KICK_NEVER", KICK_NEVER) != 0) return -1;
  if (PyModule_AddIntConstant(module, "KICK_ALWAYS", KICK_ALWAYS) != 0) return -1;
  if (PyModule_AddIntConstant(module, "KICK_WAITS", KICK_WAITS) != 0) return -1;
  if (PyModule_AddIntConstant(module, "IGNORE", SIG_HOW_IGNORE) != 0) return -1;
  return PyModule_AddIntConstant(module, "CATCH", SIG_HOW_CATCH);
}
