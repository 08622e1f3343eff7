/* The Python face of the decoder: `decode(bytes, mode=64) -> dict`, for tests, the reference
 * interpreter and crash reports.  Raises DecodeError (a ValueError) with "truncated", "invalid" or
 * "too long". */
#include "decode.h"
#include "py_module.h"

typedef struct {
  const char *name;
  s64 value;
} Field;

/* Names and values as in struct Insn. */
#define FIELD(name) \
  { #name, in->name }

static bool put_fields(PyObject *dict, const Field *fields, size_t n) {
  for (size_t i = 0; i < n; i++) {
    PyObject *value = PyLong_FromLongLong(fields[i].value);
    if (!value) return false;
    int failed = PyDict_SetItemString(dict, fields[i].name, value);
    Py_DECREF(value);
    if (failed) return false;
  }
  return true;
}

static PyObject *insn_dict(const Insn *in) {
  const Field fields[] = {
      FIELD(len),       FIELD(mode),     FIELD(enc),          FIELD(map),    FIELD(opcode),
      FIELD(pp),        FIELD(has_66),   FIELD(has_67),       FIELD(lock),   FIELD(rep),
      FIELD(repne),     FIELD(seg),      FIELD(rex),          FIELD(w),      FIELD(l),
      FIELD(vvvv),      FIELD(has_vvvv), FIELD(evex_b),       FIELD(evex_z), FIELD(aaa),
      FIELD(has_modrm), FIELD(modrm),    FIELD(mod),          FIELD(reg),    FIELD(rm),
      FIELD(oreg),      FIELD(has_mem),  FIELD(rip_relative), FIELD(vsib),   FIELD(disp8),
      FIELD(base),      FIELD(index),    FIELD(scale),        FIELD(disp),   FIELD(disp_size),
      FIELD(addr_size), FIELD(osz),      FIELD(nimm),         FIELD(imm),    FIELD(imm_size),
      FIELD(imm2),
  };
  PyObject *dict = PyDict_New();
  if (dict && !put_fields(dict, fields, sizeof(fields) / sizeof(*fields))) Py_CLEAR(dict);
  return dict;
}

static PyObject *raise_status(PyObject *module, int status) {
  static const char *const texts[] = {"", "truncated", "invalid", "too long"};
  PyObject *error = PyObject_GetAttrString(module, "DecodeError");
  if (!error) return NULL;
  PyErr_SetString(error, texts[status]);
  Py_DECREF(error);
  return NULL;
}

static PyObject *py_decode(PyObject *module, PyObject *args) {
  const char *bytes;
  Py_ssize_t n;
  int mode = 64;
  if (!PyArg_ParseTuple(args, "y#|i:decode", &bytes, &n, &mode)) return NULL;
  if (mode != 16 && mode != 32 && mode != 64) {
    PyErr_SetString(PyExc_ValueError, "mode must be 16, 32 or 64");
    return NULL;
  }
  Insn in;
  int status = decode(&in, (const u8 *)bytes, n, mode);
  return status == DECODE_OK ? insn_dict(&in) : raise_status(module, status);
}

static PyMethodDef methods[] = {
    {"decode", py_decode, METH_VARARGS,
     "decode(code: bytes, mode: int = 64, /) -> dict[str, int]\n\n"
     "The fields of the instruction at the start of `code`, named as in decode.h.\n"
     "Raises DecodeError: 'truncated', 'invalid' (#UD) or 'too long' (over 15 bytes, #GP)."},
    {NULL, NULL, 0, NULL},
};

int py_decode_init(PyObject *module) {
  PyObject *error = PyErr_NewExceptionWithDoc(
      "blink._engine.DecodeError", "These bytes are not an instruction.", PyExc_ValueError, NULL);
  if (!error) return -1;
  int failed = PyModule_AddObjectRef(module, "DecodeError", error);
  Py_DECREF(error);
  return failed ? -1 : PyModule_AddFunctions(module, methods);
}
