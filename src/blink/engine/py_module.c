/* The module `blink._engine`. */
#include "py_module.h"

#include "run.h"

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_engine",
    .m_doc = "The native engine: CPU, memory, host signals and host calls.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__engine(void) {
  PyObject *module = PyModule_Create(&definition);
  if (!module) return NULL;
  if (py_memory_init(module) || py_cpu_init(module) || py_host_init(module) ||
      py_decode_init(module) || py_sweep_init(module) || py_tape_init(module) ||
      py_digest_init(module)) {
    Py_DECREF(module);
    return NULL;
  }
  return module;
}
