/* sweep(): which forms a piece of code contains, and where what no form implements. */
#include "cpu_model.h"
#include "decode.h"
#include "forms.h"
#include "py_module.h"

typedef struct {
  const u8 *bytes;
  size_t size;
  const u64 *starts; /* sorted offsets where an instruction surely begins */
  size_t start_count;
  int mode;
  PyObject *missing; /* offsets of instructions without a form */
  PyObject *invalid; /* offsets of bytes that are no instruction */
  u64 *counts;       /* by form */
} Sweep;

static int note(PyObject *list, size_t offset) {
  PyObject *number = PyLong_FromSize_t(offset);
  if (!number) return -1;
  int failed = PyList_Append(list, number);
  Py_DECREF(number);
  return failed;
}

/* The length of the instruction at `offset`, which must end at `end`, or -1 with an exception set. */
static int one(Sweep *s, size_t offset, size_t end) {
  Insn in;
  if (decode(&in, s->bytes + offset, end - offset, s->mode) != DECODE_OK)
    return note(s->invalid, offset) ? -1 : 1;
  const FormDef *f = form_find(&in, cpu_models);
  if (!f && form_excludes(&in)) return note(s->invalid, offset) ? -1 : 1;
  if (!f) return note(s->missing, offset) ? -1 : in.len;
  if (!form_allows(f, &in)) return note(s->invalid, offset) ? -1 : 1;
  s->counts[f - form_table]++;
  return in.len;
}

static int sweep_until(Sweep *s, size_t offset, size_t end) {
  while (offset < end) {
    int length = one(s, offset, end);
    if (length < 0) return -1;
    offset += (size_t)length;
  }
  return 0;
}

static int sweep(Sweep *s) {
  size_t offset = 0;
  for (size_t i = 0; i < s->start_count; i++) {
    size_t start = s->starts[i];
    if (start <= offset || start >= s->size) continue;
    if (sweep_until(s, offset, start)) return -1;
    offset = start;
  }
  return sweep_until(s, offset, s->size);
}

/* [(form, count)] of the forms that occur. */
static PyObject *count_list(const u64 *counts) {
  PyObject *list = PyList_New(0);
  for (u32 i = 0; list && i < form_count; i++) {
    if (!counts[i]) continue;
    PyObject *pair = Py_BuildValue("IK", i, (unsigned long long)counts[i]);
    if (!pair || PyList_Append(list, pair)) Py_CLEAR(list);
    Py_XDECREF(pair);
  }
  return list;
}

static PyObject *sweep_result(Sweep *s) {
  s->missing = PyList_New(0);
  s->invalid = PyList_New(0);
  s->counts = PyMem_Calloc(form_count, sizeof(u64));
  PyObject *result = NULL;
  if (!s->missing || !s->invalid || !s->counts) {
    PyErr_NoMemory();
  } else if (!sweep(s)) {
    PyObject *counts = count_list(s->counts);
    if (counts) result = Py_BuildValue("NOO", counts, s->missing, s->invalid);
  }
  PyMem_Free(s->counts);
  Py_XDECREF(s->missing);
  Py_XDECREF(s->invalid);
  return result;
}

static PyObject *py_sweep(PyObject *module, PyObject *args) {
  (void)module;
  Py_buffer data, starts = {0};
  int mode = 64;
  if (!PyArg_ParseTuple(args, "y*|y*i:sweep", &data, &starts, &mode)) return NULL;
  Sweep s = {.bytes = data.buf, .size = (size_t)data.len, .mode = mode, .starts = starts.buf};
  s.start_count = (size_t)starts.len / sizeof(u64);
  PyObject *result = sweep_result(&s);
  PyBuffer_Release(&data);
  if (starts.obj) PyBuffer_Release(&starts);
  return result;
}

static PyObject *py_form_names(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  PyObject *names = PyTuple_New(form_count);
  for (u32 i = 0; names && i < form_count; i++) {
    PyObject *name = PyUnicode_FromString(form_names[i]);
    if (!name || PyTuple_SetItem(names, i, name)) Py_CLEAR(names);
  }
  return names;
}

static PyMethodDef methods[] = {
    {"sweep", py_sweep, METH_VARARGS,
     "sweep(code, starts=b'', mode=64, /) -> (counts, missing, invalid)\n\n"
     "Decodes one instruction after the other; behind what is none it goes on at the next byte.\n"
     "starts: sorted offsets (64 bits each) where an instruction begins; none reaches over them.\n"
     "counts: [(form number, occurrences)]; missing: offsets of instructions that no form\n"
     "implements; invalid: offsets of bytes that are no instruction."},
    {"form_names", py_form_names, METH_NOARGS, "The mnemonic of each form, by its number."},
    {NULL, NULL, 0, NULL},
};

int py_sweep_init(PyObject *module) { return PyModule_AddFunctions(module, methods); }
