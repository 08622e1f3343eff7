/* The `blink` command: a small position-independent program that starts Python inside itself.
 *
 * Why not a script: Debian's python3 is linked at 0x400000, where guests such as gcc's cc1 live too
 * (docs/decisions/0001-non-pie-host-collision.md); CPython ignores SIGPIPE and SIGXFSZ and takes
 * SIGINT, which the guest would inherit; and isolated Python without `site` starts 2 to 25 ms sooner.
 *
 * It embeds libpython, linked statically or loaded with dlopen; where there is none it notes the
 * signal state and executes the interpreter.  What the build knew about the interpreter is in
 * launcher_config.h, written by tools/launcher_build.py.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#include "launcher_config.h"
#include "launcher_frozen.h"

enum { AT_FLAGS_PRESERVE_ARGV0 = 1 }; /* linux/binfmts.h, since Linux 5.12 */
enum { SIGNALS = 64, LOST_OUTPUT = 120, CANNOT_START = 125 };

typedef struct {
  uint64_t ignored, blocked; /* bit n - 1 is signal n */
} SignalState;

typedef struct {
  char package[PATH_MAX]; /* the folder that holds the package `blink` */
  char site[PATH_MAX];    /* site-packages, for what is loaded only where it is used; or empty */
  char scripts[PATH_MAX]; /* the folder that holds this program */
} Places;

/* ---- what we inherited ----------------------------------------------------------------------- */

static SignalState signal_state(void) {
  SignalState state = {0, 0};
  struct sigaction action;
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, NULL, &blocked);
  for (int signo = 1; signo <= SIGNALS; signo++) {
    uint64_t bit = UINT64_C(1) << (signo - 1);
    if (!sigaction(signo, NULL, &action) && action.sa_handler == SIG_IGN) state.ignored |= bit;
    if (sigismember(&blocked, signo) == 1) state.blocked |= bit;
  }
  return state;
}

/* ---- where things are ------------------------------------------------------------------------ */

static void join(char *to, const char *folder, const char *name) {
  int length = snprintf(to, PATH_MAX, "%s/%s", folder, name);
  if (length < 0 || length >= PATH_MAX) to[0] = 0;
}

static int holds_package(const char *folder) {
  char probe[PATH_MAX];
  join(probe, folder, "blink/cli/launch.py");
  return probe[0] && !access(probe, R_OK);
}

static void find_scripts(char *to) {
  ssize_t length = readlink("/proc/self/exe", to, PATH_MAX - 1);
  to[length > 0 ? length : 0] = 0;
  char *slash = strrchr(to, '/');
  if (slash) *slash = 0;
}

/* The sources of an editable build, else a site folder beside the bin folder that we are in, else
 * the folder above it (`pip install --target`). */
static int find_places(Places *places) {
  static const char *const layouts[] = {SITE_LAYOUTS};
  find_scripts(places->scripts);
  places->package[0] = places->site[0] = 0;
  if (holds_package(SOURCES)) strcpy(places->package, SOURCES);
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    char site[PATH_MAX];
    join(site, places->scripts, layouts[i]);
    if (!places->package[0] && holds_package(site)) strcpy(places->package, site);
    if (!places->site[0] && !access(site, R_OK)) strcpy(places->site, site);
  }
  char above[PATH_MAX];
  join(above, places->scripts, "..");
  if (!places->package[0] && holds_package(above)) strcpy(places->package, above);
  return places->package[0] != 0;
}

/* ---- the first way: Python in this process --------------------------------------------------- */

#define PYTHON_API(X)               \
  X(PyPreConfig_InitIsolatedConfig) \
  X(Py_PreInitialize)               \
  X(PyConfig_InitIsolatedConfig)    \
  X(PyConfig_SetBytesString)        \
  X(PyConfig_SetBytesArgv)          \
  X(PyWideStringList_Append)        \
  X(PyConfig_Clear)                 \
  X(PyStatus_Exception)             \
  X(Py_InitializeFromConfig)        \
  X(Py_DecodeLocale)                \
  X(PyDict_GetItemString)           \
  X(PySys_GetObject)                \
  X(PyImport_ImportModule)          \
  X(PyObject_CallMethod)            \
  X(PyLong_AsLong)                  \
  X(PyErr_Print)                    \
  X(PyErr_Occurred)                 \
  X(Py_FinalizeEx)                  \
  X(PyImport_FrozenModules)         \
  X(_Py_NoneStruct)

#ifdef STATIC_LIBPYTHON
#define PY(name) name
#define PYTHON_DATA(name) name
static int load_python(void) { return 1; }
#else
static struct {
#define DECLARE(name) __typeof__(&(name)) p_##name;
  PYTHON_API(DECLARE)
} api;
#define PYTHON_DATA(name) (*api.p_##name)
#define PY(name) api.p_##name

/* Global, because extension modules take their Python symbols from it. */
static int load_python(void) {
  void *library = LIBPYTHON[0] ? dlopen(LIBPYTHON, RTLD_LAZY | RTLD_GLOBAL) : NULL;
  if (!library) return 0;
#define RESOLVE(name) \
  if (!(*(void **)&api.p_##name = dlsym(library, #name))) return 0;
  PYTHON_API(RESOLVE)
  return 1;
}
#endif

static void set_text(PyConfig *config, wchar_t **field, const char *text) {
  if (!*field) PY(PyConfig_SetBytesString)(config, field, text);
}

/* With every output of the path search given, getpath has nothing left to look for. */
static void set_paths(PyConfig *config, const Places *places) {
  const char *const search[] = {places->package, STDLIB_SEARCH, places->site};
  set_text(config, &config->program_name, PYTHON);
  set_text(config, &config->executable, PYTHON);
  set_text(config, &config->base_executable, PYTHON);
  set_text(config, &config->prefix, PREFIX);
  set_text(config, &config->base_prefix, PREFIX);
  set_text(config, &config->exec_prefix, EXEC_PREFIX);
  set_text(config, &config->base_exec_prefix, EXEC_PREFIX);
  set_text(config, &config->stdlib_dir, STDLIB);
  config->module_search_paths_set = 1;
  for (size_t i = 0; i < sizeof search / sizeof *search; i++) {
    wchar_t *path = search[i][0] ? PY(Py_DecodeLocale)(search[i], NULL) : NULL;
    if (path) PY(PyWideStringList_Append)(&config->module_search_paths, path);
  }
}

/* `encodings` is all that a start of Python reads from disk; its code is part of us instead. */
static void freeze(void) {
#define FROZEN_ROW(full_name, bytes, package) \
  {.name = full_name, .code = bytes, .size = sizeof bytes, .is_package = package},
  static const struct _frozen modules[] = {FROZEN_MODULES(FROZEN_ROW){.name = NULL}};
  PYTHON_DATA(PyImport_FrozenModules) = modules;
}

/* UTF-8 mode: file names keep their bytes whatever the locale is, and the locale stays "C". */
static int initialize(const Places *places, int argc, char **argv) {
  freeze();
  PyPreConfig preconfig;
  PY(PyPreConfig_InitIsolatedConfig)(&preconfig);
  preconfig.utf8_mode = 1;
  if (PY(PyStatus_Exception)(PY(Py_PreInitialize)(&preconfig))) return 0;
  PyConfig config;
  PY(PyConfig_InitIsolatedConfig)(&config);
  config.site_import = 0;
  config.install_signal_handlers = 0;
  config.parse_argv = 0;
  config.pathconfig_warnings = 0;
  PY(PyConfig_SetBytesArgv)(&config, argc, argv);
  set_paths(&config, places);
  PyStatus status = PY(Py_InitializeFromConfig)(&config);
  PY(PyConfig_Clear)(&config);
  return !PY(PyStatus_Exception)(status);
}

/* The package's folder was the first to search, so that no other was listed for `blink`; but nothing
 * that lies beside it may hide a module of the standard library. */
static PyObject *import_entry(void) {
  PyObject *module = PY(PyImport_ImportModule)("blink.cli.launch");
  PyObject *path = PY(PySys_GetObject)("path");
  PyObject *package = path ? PY(PyObject_CallMethod)(path, "pop", "i", 0) : NULL;
  if (package) PY(PyObject_CallMethod)(path, "append", "O", package);
  return module;
}

static int flush(const char *name) {
  PyObject *stream = PY(PySys_GetObject)(name);
  if (!stream || stream == &PYTHON_DATA(_Py_NoneStruct)) return 1;
  return PY(PyObject_CallMethod)(stream, "flush", NULL) != NULL;
}

/* Ends Python and returns the exit status, 120 if output was lost (as CPython does).  Tearing the
 * interpreter down takes 1 ms; where nobody asked to be told of it, the kernel does it faster. */
static int leave(int status) {
  PyObject *modules = PY(PySys_GetObject)("modules");
  if (PY(PyDict_GetItemString)(modules, "atexit") || PY(PyDict_GetItemString)(modules, "threading"))
    return PY(Py_FinalizeEx)() < 0 ? LOST_OUTPUT : status;
  if (!(flush("stdout") & flush("stderr"))) {
    PY(PyErr_Print)();
    status = LOST_OUTPUT;
  }
  _exit(status);
}

/* Returns the exit status, or -1 when Python could not be started here. */
static int run_embedded(const Places *places, SignalState state, int argc, char **argv) {
  if (access(STDLIB, R_OK) || !load_python() || !initialize(places, argc, argv)) return -1;
  PyObject *module = import_entry();
  PyObject *result = NULL;
  if (module) {
    result = PY(PyObject_CallMethod)(module, "start", "KK", (unsigned long long)state.ignored,
                                     (unsigned long long)state.blocked);
  }
  long status = result ? PY(PyLong_AsLong)(result) : -1;
  if (PY(PyErr_Occurred)()) {
    PY(PyErr_Print)(); /* a SystemExit leaves from here */
    status = 1;
  }
  return leave((int)(status & 0xff));
}

/* ---- the second way: execute the interpreter ------------------------------------------------- */

static const char BOOT[] =
    "import sys; from sys import argv as a; sys.path.insert(0, a[1]);"
    " from blink.cli.launch import start;"
    " sys.path += filter(None, (sys.path.pop(0), a[2])); i, b = int(a[3], 16), int(a[4], 16);"
    " del a[:5]; sys.exit(start(i, b))";

static void run_executed(Places *places, SignalState state, int argc, char **argv) {
  char ignored[32], blocked[32], beside[PATH_MAX];
  snprintf(ignored, sizeof ignored, "%llx", (unsigned long long)state.ignored);
  snprintf(blocked, sizeof blocked, "%llx", (unsigned long long)state.blocked);
  char *head[] = {PYTHON,          "-I",         "-S",    "-X",   "utf8", "-c", (char *)BOOT,
                  places->package, places->site, ignored, blocked};
  size_t count = sizeof head / sizeof *head;
  char **line = calloc(count + (size_t)argc + 1, sizeof *line);
  if (!line) return;
  memcpy(line, head, sizeof head);
  memcpy(line + count, argv, (size_t)argc * sizeof *line);
  join(beside, places->scripts, "python3");
  execv(PYTHON, line);
  line[0] = beside;
  execv(beside, line);
  execvp(line[0] = "python3", line);
}

/* Started by binfmt_misc with its flag P: PROGRAM ARGV0 ARGUMENTS..., as behind `blink -0 --`. */
static char **given_by_binfmt(int *argc, char **argv) {
  static char option[] = "-0", end[] = "--";
  if (!(getauxval(AT_FLAGS) & AT_FLAGS_PRESERVE_ARGV0)) return argv;
  char **made = calloc(*argc + 3, sizeof *made);
  if (!made) return argv;
  made[0] = argv[0], made[1] = option, made[2] = end;
  memcpy(made + 3, argv + 1, *argc * sizeof *made); /* with the NULL */
  *argc += 2;
  return made;
}

int main(int argc, char **argv) {
  static Places places;
  SignalState state = signal_state();
  argv = given_by_binfmt(&argc, argv);
  if (!find_places(&places)) {
    fprintf(stderr, "blink: the Python package `blink` is not where %s expects it\n",
            places.scripts[0] ? places.scripts : "/proc/self/exe");
    return CANNOT_START;
  }
  int status = getenv("BLINK_NO_EMBED") ? -1 : run_embedded(&places, state, argc, argv);
  if (status >= 0) return status;
  run_executed(&places, state, argc, argv);
  fprintf(stderr, "blink: no Python interpreter: %s: %s\n", PYTHON, strerror(errno));
  return CANNOT_START;
}
