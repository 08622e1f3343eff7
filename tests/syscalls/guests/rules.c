/* Keys, Landlock, security modules, fanotify, mounts, namespaces: what confines programs. */
#include "calls.h"
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#ifndef SYS_statmount
#define SYS_statmount 457
#define SYS_listmount 458
#define SYS_lsm_get_self_attr 459
#define SYS_lsm_set_self_attr 460
#define SYS_lsm_list_modules 461
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#ifndef LANDLOCK_RULE_NET_PORT
#define LANDLOCK_RULE_NET_PORT 2
#endif

static char text[8192];

/* Runs in a process of its own, which may end with any rights. */
#undef APART
#define APART(...)                                    \
  do {                                                \
    int status_;                                      \
    FORKED(status_, __VA_ARGS__);                     \
    if (status_ != 0) printf("status %x\n", status_); \
  } while (0)

static void keys(void) {
  TITLE("keys");
  long ring = S(keyctl, KEYCTL_JOIN_SESSION_KEYRING, "blink-test", 0L, 0L, 0L);
  T(ring > 0), T(S(keyctl, KEYCTL_JOIN_SESSION_KEYRING, BAD, 0L, 0L, 0L));
  long key = S(add_key, "user", "one", "secret", 6L, KEY_SPEC_SESSION_KEYRING);
  T(key > 0), T(S(add_key, "user", "one", "secret", 0L, KEY_SPEC_SESSION_KEYRING)), T(S(add_key, "nosuch", "x", "y", 1L, KEY_SPEC_SESSION_KEYRING));
  T(S(add_key, BAD, "x", "y", 1L, KEY_SPEC_SESSION_KEYRING)), T(S(add_key, "user", BAD, "y", 1L, KEY_SPEC_SESSION_KEYRING));
  T(S(add_key, "user", "x", BAD, 1L, KEY_SPEC_SESSION_KEYRING)), T(S(add_key, "user", "x", "y", 1L << 30, KEY_SPEC_SESSION_KEYRING));
  T(S(add_key, "user", "x", "y", 1L, 123456789)), T(S(add_key, "user", "x", "y", 1L, -99)), T(S(add_key, ".dot", "x", "y", 1L, -3));
  T(S(request_key, "user", "one", NULL, 0) == key), T(S(request_key, "user", "absent", NULL, 0)), T(S(request_key, BAD, "one", NULL, 0));
  T(S(request_key, "user", BAD, NULL, 0)), T(S(request_key, "nosuch", "one", NULL, 0)), T(S(request_key, "user", "one", BAD, 0));
  T(S(keyctl, KEYCTL_READ, key, text, 100L, 0L)), BYTES(text, 6), T(S(keyctl, KEYCTL_READ, key, text, 3L, 0L)), T(S(keyctl, KEYCTL_READ, key, NULL, 0L, 0L));
  T(S(keyctl, KEYCTL_READ, key, BAD, 100L, 0L)), T(S(keyctl, KEYCTL_READ, 12345678L, text, 100L, 0L));
  T(S(keyctl, KEYCTL_UPDATE, key, "changed", 7L, 0L)), T(S(keyctl, KEYCTL_READ, key, text, 100L, 0L)), BYTES(text, 7), T(S(keyctl, KEYCTL_UPDATE, key, BAD, 7L, 0L));
  T(S(keyctl, KEYCTL_DESCRIBE, key, text, sizeof text, 0L)), TEXT(text), T(S(keyctl, KEYCTL_DESCRIBE, 12345678L, text, 100L, 0L));
  T(S(keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "one", 0L) == key), T(S(keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "two", 0L));
  T(S(keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, BAD, "one", 0L));
  T(S(keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0L, 0L, 0L) == ring), T(S(keyctl, KEYCTL_GET_KEYRING_ID, -77L, 0L, 0L, 0L));
  T(S(keyctl, KEYCTL_SETPERM, key, 0x3f3f0000L, 0L, 0L)), T(S(keyctl, KEYCTL_SETPERM, key, -1L, 0L, 0L)), T(S(keyctl, KEYCTL_CHOWN, key, -1L, -1L, 0L));
  T(S(keyctl, KEYCTL_SET_TIMEOUT, key, 1000L, 0L, 0L)), T(S(keyctl, KEYCTL_GET_SECURITY, key, text, 100L, 0L)), T(S(keyctl, KEYCTL_SET_REQKEY_KEYRING, -1L, 0L, 0L, 0L));
  long second = S(add_key, "keyring", "inner", NULL, 0L, KEY_SPEC_SESSION_KEYRING);
  T(second > 0), T(S(keyctl, KEYCTL_LINK, key, second, 0L, 0L)), T(S(keyctl, KEYCTL_UNLINK, key, second, 0L, 0L)), T(S(keyctl, KEYCTL_UNLINK, key, second, 0L, 0L));
  T(S(keyctl, KEYCTL_MOVE, key, KEY_SPEC_SESSION_KEYRING, second, 0L)), T(S(keyctl, KEYCTL_MOVE, key, KEY_SPEC_SESSION_KEYRING, second, 0L)), T(S(keyctl, KEYCTL_CLEAR, second, 0L, 0L, 0L));
  T(S(keyctl, KEYCTL_CAPABILITIES, text, 2L, 0L, 0L) > 0), V(text[0] & 1), T(S(keyctl, KEYCTL_GET_PERSISTENT, -1L, KEY_SPEC_SESSION_KEYRING, 0L, 0L) > 0);
  key = S(add_key, "user", "three", "x", 1L, second), T(S(keyctl, KEYCTL_REVOKE, key, 0L, 0L, 0L)), T(S(keyctl, KEYCTL_READ, key, text, 9L, 0L)), T(S(keyctl, KEYCTL_INVALIDATE, second, 0L, 0L, 0L));
  T(S(keyctl, 999L, 0L, 0L, 0L, 0L));
  APART(T(S(keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0L, 0L, 0L, 0L) > 0), T(S(keyctl, KEYCTL_SESSION_TO_PARENT, 0L, 0L, 0L, 0L)));
}

static void landlock(void) {
  TITLE("landlock");
  struct { uint64_t fs, net, scope; } all = {LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE, 0, 0}, odd = {1ul << 60, 0, 0};
  V(S(landlock_create_ruleset, NULL, 0L, 1) > 0), V(S(landlock_create_ruleset, NULL, 0L, 2) >= 0);
  T(S(landlock_create_ruleset, NULL, 0L, 0)), T(S(landlock_create_ruleset, &all, 4L, 0)), T(S(landlock_create_ruleset, &odd, 8L, 0)), T(S(landlock_create_ruleset, BAD, 8L, 0));
  T(S(landlock_create_ruleset, &all, 5000L, 0)), T(S(landlock_create_ruleset, &all, 8L, 8));
  int set = S(landlock_create_ruleset, &all, 8L, 0), dir = open("allowed", O_PATH | O_DIRECTORY);
  V(set >= 0);
  struct landlock_path_beneath_attr beneath = {LANDLOCK_ACCESS_FS_READ_FILE, dir}, none = {0, dir}, wrong = {LANDLOCK_ACCESS_FS_READ_FILE, 99};
  struct { uint64_t access, port; } port = {1, 80};
  T(S(landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0)), T(S(landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &none, 0));
  T(S(landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &wrong, 0)), T(S(landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, BAD, 0));
  T(S(landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 1)), T(S(landlock_add_rule, set, 9, &beneath, 0)), T(S(landlock_add_rule, 99, 1, &beneath, 0)), T(S(landlock_add_rule, dir, 1, &beneath, 0));
  T(S(landlock_add_rule, set, LANDLOCK_RULE_NET_PORT, &port, 0));
  struct { uint64_t fs, net; } network = {0, 3};
  int net = S(landlock_create_ruleset, &network, 16L, 0);
  T(S(landlock_add_rule, net, LANDLOCK_RULE_NET_PORT, &port, 0)), port.port = 70000, T(S(landlock_add_rule, net, LANDLOCK_RULE_NET_PORT, &port, 0)), T(S(landlock_add_rule, net, LANDLOCK_RULE_NET_PORT, BAD, 0));
  AS_NOBODY({ T(S(landlock_restrict_self, set, 0)); });
  T(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  T(S(landlock_restrict_self, 99, 0)), T(S(landlock_restrict_self, dir, 0)), T(S(landlock_restrict_self, set, 64));
  APART(T(S(landlock_restrict_self, set, 1)), T(S(landlock_restrict_self, set, 2)), T(S(landlock_restrict_self, set, 4)));
  T(S(landlock_restrict_self, set, 0));
  T(open("allowed/in", O_RDONLY) >= 0), T(open("out", O_RDONLY)), T(open("allowed/in", O_WRONLY)), T(open("/etc/passwd", O_RDONLY));
  APART(T(open("out", O_RDONLY)), T(S(semget, 0, 1, 0600) >= 0), T(getpgid(0) > 0));
  T(S(getcwd, text, 4096L) > 0);
}

static void modules(void) {
  TITLE("security modules");
  uint32_t size = 64;
  T(S(lsm_list_modules, text, &size, 0) >= 0), V(size), T(S(lsm_list_modules, text, &size, 1)), T(S(lsm_list_modules, BAD, &size, 0) < 1), T(S(lsm_list_modules, text, BAD, 0));
  size = sizeof text, T(S(lsm_get_self_attr, 100, text, &size, 0)), T(S(lsm_get_self_attr, 0, text, &size, 0)), T(S(lsm_get_self_attr, 100, text, BAD, 0)), T(S(lsm_get_self_attr, 100, text, &size, 2));
  for (int attribute = 101; attribute < 106; attribute++) T(S(lsm_get_self_attr, attribute, NULL, &size, 0));
  T(S(lsm_set_self_attr, 100, text, 64, 0)), T(S(lsm_set_self_attr, 100, text, 64, 1)), T(S(lsm_set_self_attr, 100, BAD, 64, 0)), T(S(lsm_set_self_attr, 0, text, 9000, 0));
}

static void events(void) {
  TITLE("fanotify");
  int fd = S(fanotify_init, FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY);
  V(fd >= 0);
  T(S(fanotify_init, FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS, O_RDONLY) >= 0), T(S(fanotify_init, FAN_CLASS_CONTENT, O_RDWR) >= 0), T(S(fanotify_init, FAN_CLASS_PRE_CONTENT, O_RDWR) >= 0);
  T(S(fanotify_init, FAN_ENABLE_AUDIT, O_RDONLY) >= 0), T(S(fanotify_init, FAN_REPORT_TID, O_RDONLY) >= 0), T(S(fanotify_init, FAN_REPORT_PIDFD, O_RDONLY) >= 0), T(S(fanotify_init, FAN_REPORT_PIDFD | FAN_REPORT_TID, O_RDONLY));
  T(S(fanotify_init, FAN_REPORT_FID, O_RDONLY) >= 0), T(S(fanotify_init, FAN_REPORT_DIR_FID | FAN_REPORT_NAME, O_RDONLY) >= 0), T(S(fanotify_init, FAN_REPORT_NAME, O_RDONLY)), T(S(fanotify_init, 0x1e00, O_RDONLY) >= 0), T(S(fanotify_init, FAN_REPORT_TARGET_FID, O_RDONLY));
  T(S(fanotify_init, 1 << 30, O_RDONLY)), T(S(fanotify_init, 12, O_RDONLY)), T(S(fanotify_init, 0, 1 << 30));
  AS_NOBODY({ T(S(fanotify_init, FAN_CLASS_NOTIF, O_RDONLY)); });
  mkdir("watched", 0755), close(open("watched/f", O_CREAT | O_WRONLY, 0644)), symlink("f", "watched/l");
  int id = S(fanotify_init, 0x1e00 | FAN_NONBLOCK, O_RDONLY);
  T(S(fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN | FAN_CLOSE_WRITE | FAN_CLOSE_NOWRITE | FAN_ACCESS | FAN_MODIFY | FAN_EVENT_ON_CHILD | FAN_ONDIR | FAN_OPEN_EXEC, D, "watched"));
  T(S(fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN, D, "watched/f")), T(S(fanotify_mark, fd, FAN_MARK_ADD, FAN_OPEN, D, "absent")), T(S(fanotify_mark, 99, FAN_MARK_ADD, FAN_OPEN, D, "watched"));
  T(S(fanotify_mark, fd, FAN_MARK_ADD, FAN_OPEN, D, BAD)), T(S(fanotify_mark, 1, FAN_MARK_ADD, FAN_OPEN, D, "watched")), T(S(fanotify_mark, fd, FAN_MARK_ADD, 0L, D, "watched")), T(S(fanotify_mark, fd, 77777, FAN_OPEN, D, "watched"));
  T(S(fanotify_mark, fd, FAN_MARK_ADD, FAN_CREATE, D, "watched")), T(S(fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW, FAN_OPEN, D, "watched/l")), T(S(fanotify_mark, fd, FAN_MARK_ADD, FAN_OPEN_PERM, D, "watched"));
  T(S(fanotify_mark, fd, FAN_MARK_ADD, FAN_ACCESS_PERM, D, "watched")), T(S(fanotify_mark, fd, FAN_MARK_ADD, FAN_OPEN_EXEC_PERM, D, "watched"));
  T(S(fanotify_mark, id, FAN_MARK_ADD, FAN_CREATE | FAN_DELETE | FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_ATTRIB | FAN_RENAME | FAN_ONDIR, D, "watched"));
  T(S(fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_MODIFY, D, "watched/f")), T(S(fanotify_mark, fd, FAN_MARK_ADD | 0x400 | FAN_MARK_IGNORED_SURV_MODIFY, FAN_ACCESS, D, "watched/l"));
  T(S(fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_ATTRIB, D, "watched")), T(S(fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN_EXEC, D, "watched")), T(S(fanotify_mark, fd, FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM, FAN_OPEN_EXEC, D, "watched"));
  T(S(fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_EXEC, D, "watched")), T(S(fanotify_mark, fd, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0L, D, "watched")), T(S(fanotify_mark, fd, FAN_MARK_REMOVE, FAN_OPEN, D, "absent"));
  close(open("watched/f", O_WRONLY));
  struct fanotify_event_metadata e[8];
  long got = read(fd, e, sizeof e);
  V(got > 0 ? (long)(got / sizeof *e) : got), V(got > 0 ? e[0].mask : errno), V(got > 0 && e[0].pid == getpid()), V(got > 0 && e[0].fd >= 0);
  close(open("watched/new", O_CREAT | O_WRONLY, 0644)), V(read(id, text, sizeof text) > 0);
  T(S(fanotify_mark, fd, FAN_MARK_FLUSH, 0L, D, NULL)), T(S(fanotify_mark, fd, FAN_MARK_FLUSH, 0L, 5, NULL));
  for (int i = 3; i < 40; i++) close(i);
}

static void mounts(void) {
  TITLE("mounts");
  mkdir("m", 0755), mkdir("n", 0755), mkdir("m2", 0755), symlink("m", "ml");
  T(S(unshare, CLONE_NEWNS));
  T(S(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)), T(S(mount, "tmpfs", "m", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=700"));
  struct stat st;
  stat("m", &st), V(st.st_mode & 0777);
  T(S(mount, "x", "absent", "tmpfs", 0L, NULL)), T(S(mount, "x", "m", "nosuchfs", 0L, NULL)), T(S(mount, BAD, "m", "tmpfs", 0L, NULL)), T(S(mount, "x", BAD, "tmpfs", 0L, NULL)), T(S(mount, "x", "m", BAD, 0L, NULL));
  T(S(mount, "x", "m", "tmpfs", 0L, "nonsense=1")), T(S(mount, "m", "n", NULL, MS_BIND, NULL)), T(S(mount, NULL, "n", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)), T(open("n/f", O_CREAT | O_RDWR, 0600)), T(open("m/f", O_CREAT | O_RDWR, 0600) >= 0);
  static const unsigned long each[] = {MS_SYNCHRONOUS, MS_MANDLOCK, MS_DIRSYNC, 256, MS_NOATIME, MS_NODIRATIME, MS_SILENT, MS_RELATIME, MS_STRICTATIME, MS_LAZYTIME};
  for (unsigned i = 0; i < sizeof each / sizeof *each; i++) T(S(mount, NULL, "m", NULL, MS_REMOUNT | each[i], NULL));
  T(S(mount, NULL, "m", NULL, MS_SHARED, NULL)), T(S(mount, NULL, "m", NULL, MS_SLAVE, NULL)), T(S(mount, NULL, "m", NULL, MS_UNBINDABLE, NULL)), T(S(mount, NULL, "m", NULL, MS_PRIVATE, NULL)), T(S(mount, NULL, "m", NULL, MS_SHARED | MS_PRIVATE, NULL));
  T(S(mount, "n", "m2", NULL, MS_MOVE, NULL)), T(S(mount, "absent", "m2", NULL, MS_MOVE, NULL));
  uint64_t request[3] = {24, 0, 0}, ids[64], all = -1ul;
  long mounts = S(listmount, (request[1] = all, request), ids, 64L, 0);
  T(mounts > 2), T(S(listmount, request, ids, 64L, 1) == mounts), T(S(listmount, request, ids, 64L, 8)), T(S(listmount, request, BAD, 64L, 0)), T(S(listmount, BAD, ids, 64L, 0));
  request[1] = 5, T(S(listmount, request, ids, 64L, 0)), *request = 4, T(S(listmount, request, ids, 64L, 0)), *request = 24;
  request[1] = ids[0], request[2] = 2, T(S(statmount, request, text, sizeof text, 0)), V(*(uint32_t *)text > 0), T(S(statmount, request, text, sizeof text, 1)), T(S(statmount, request, BAD, sizeof text, 0)), T(S(statmount, BAD, text, 100L, 0)), request[1] = 5, T(S(statmount, request, text, 1000L, 0));
  T(S(umount2, "m2", MNT_EXPIRE)), T(S(umount2, "m2", MNT_EXPIRE)), T(S(umount2, "m2", 0)), T(S(umount2, "absent", 0)), T(S(umount2, BAD, 0)), T(S(umount2, "m", 99)), T(S(umount2, "ml", UMOUNT_NOFOLLOW)), T(S(umount2, "ml", MNT_DETACH)), T(S(umount2, "m", MNT_FORCE));

  TITLE("mounts, in steps");
  int fs = S(fsopen, "tmpfs", 1), sb, tree;
  T(fs >= 0), T(S(fsopen, "nosuchfs", 0)), T(S(fsopen, BAD, 0)), T(S(fsopen, "tmpfs", 8)), T(S(fsopen, "tmpfs", 0) >= 0);
  T(S(fsconfig, fs, FSCONFIG_SET_STRING, "size", "64k", 0)), T(S(fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0)), T(S(fsconfig, fs, FSCONFIG_SET_FLAG, "rw", NULL, 0)), T(S(fsconfig, fs, FSCONFIG_SET_STRING, "nonsense", "1", 0));
  T(S(fsconfig, fs, FSCONFIG_SET_BINARY, "b", "x", 1)), T(S(fsconfig, fs, FSCONFIG_SET_PATH, "p", "m", D)), T(S(fsconfig, fs, FSCONFIG_SET_PATH_EMPTY, "p", "", 0)), T(S(fsconfig, fs, FSCONFIG_SET_FD, "fd", NULL, 1)), T(S(fsconfig, fs, FSCONFIG_SET_STRING, BAD, "x", 0)), T(S(fsconfig, fs, FSCONFIG_SET_STRING, "size", BAD, 0));
  T(S(fsconfig, 99, FSCONFIG_CMD_CREATE, NULL, NULL, 0)), T(S(fsconfig, fs, 99, NULL, NULL, 0)), T(S(fsconfig, fs, FSCONFIG_CMD_CREATE, "x", NULL, 0)), T(S(fsmount, fs, 0, 0));
  T(S(fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0)), T(S(fsconfig, fs, 8, NULL, NULL, 0)), T(S(fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
  T(S(fsmount, fs, 8, 0)), T(S(fsmount, 99, 0, 0)), T(S(fsmount, fs, 0, 1 << 30)), tree = S(fsmount, fs, 1, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOATIME | 0x200000), T(tree >= 0);
  T(S(move_mount, tree, "", D, "m", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_F_SYMLINKS | MOVE_MOUNT_F_AUTOMOUNTS | MOVE_MOUNT_T_SYMLINKS | MOVE_MOUNT_T_AUTOMOUNTS)), T(S(move_mount, tree, "", D, "absent", MOVE_MOUNT_F_EMPTY_PATH)), T(S(move_mount, 99, "", D, "m", MOVE_MOUNT_F_EMPTY_PATH)), T(S(move_mount, D, "n", D, "m", 0)), T(S(move_mount, tree, BAD, D, "m", 0));
  T(S(move_mount, tree, "", tree, "", 0x44)), T(S(move_mount, D, "m", D, "n", 0x100)), T(S(move_mount, D, "m", D, "n", 0x200)), T(S(move_mount, D, "m", D, "n", 1 << 30));
  T(open("m/f", O_CREAT | O_RDWR, 0600) >= 0);
  for (int attr = 0x10; attr <= 0x20; attr += 0x10) fs = S(fsopen, "tmpfs", 0), S(fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), T(S(fsmount, fs, 0, attr | MOUNT_ATTR_RDONLY) >= 0);
  int copy = S(open_tree, D, "m", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | 0x8000);
  T(copy >= 0), T(S(open_tree, D, "m", 0x100 | 0x800) >= 0), T(S(open_tree, copy, "", 0x1000) >= 0), T(S(open_tree, D, "absent", 0)), T(S(open_tree, 99, "m", 0)), T(S(open_tree, D, BAD, 0)), T(S(open_tree, D, "m", 1 << 30)), T(S(open_tree, D, "m", 0x8000));
  T(S(move_mount, copy, "", D, "n", MOVE_MOUNT_F_EMPTY_PATH)), T(access("n/f", F_OK));
  struct mount_attr attr = {MOUNT_ATTR_RDONLY, 0, 0, 0}, odd = {1 << 30};
  T(S(mount_setattr, D, "n", 0x8000, &attr, sizeof attr)), T(open("n/g", O_CREAT | O_RDWR, 0600)), T(S(mount_setattr, D, "absent", 0, &attr, sizeof attr)), T(S(mount_setattr, D, "n", 0, BAD, sizeof attr)), T(S(mount_setattr, D, "n", 0, &odd, sizeof attr)), T(S(mount_setattr, D, "n", 0, &attr, 4L)), T(S(mount_setattr, D, "n", 0, &attr, 5000L));
  T(S(mount_setattr, D, "n", 1 << 30, &attr, sizeof attr)), T(S(mount_setattr, 99, "n", 0, &attr, sizeof attr)), T(S(mount_setattr, copy, "", 0x1000, &attr, sizeof attr)), T(S(mount_setattr, D, "n", 0x100 | 0x800, &attr, sizeof attr)), T(S(mount_setattr, D, "n", 1, &attr, sizeof attr));
  int sealed = S(open_tree_attr, D, "n", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | 0x8000, &attr, sizeof attr);
  V(sealed >= 0 ? 0 : errno), T(S(move_mount, sealed, "", D, "m2", MOVE_MOUNT_F_EMPTY_PATH)), T(open("m2/g", O_CREAT | O_RDWR, 0600)), T(S(umount2, "m2", 0));
  T(S(open_tree_attr, D, "n", 0x100 | 0x800, NULL, 0L) >= 0), T(S(open_tree_attr, copy, "", 0x1000, NULL, 0L) >= 0), T(S(open_tree_attr, D, "n", 0, &attr, sizeof attr)), T(S(open_tree_attr, D, "n", 0, NULL, 32L)), T(S(open_tree_attr, D, "absent", 1, &attr, sizeof attr)), T(S(open_tree_attr, 99, "n", 1, &attr, sizeof attr));
  T(S(open_tree_attr, D, BAD, 1, &attr, sizeof attr)), T(S(open_tree_attr, D, "n", 1, BAD, sizeof attr)), T(S(open_tree_attr, D, "n", 1, &attr, 4L)), T(S(open_tree_attr, D, "n", 1, &attr, 5000L)), T(S(open_tree_attr, D, "n", 1, &odd, sizeof attr)), T(S(open_tree_attr, D, "n", 1 << 30, &attr, sizeof attr));
  T((sb = S(fspick, D, "n", 1)) >= 0), T(S(fsconfig, sb, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0)), T(S(fspick, D, "absent", 0)), T(S(fspick, D, BAD, 0)), T(S(fspick, D, "n", 99)), T(S(fspick, D, "n", 2 | 4) >= 0), T(S(fspick, copy, "", 8) >= 0), T(S(fspick, D, ".", 0));
  AS_NOBODY({ T(S(mount, "x", "m", "tmpfs", 0L, NULL)), T(S(umount2, "m", 0)), T(S(fsopen, "tmpfs", 0)), T(S(fspick, D, "m", 0)), T(S(open_tree, D, "m", 1)), T(S(move_mount, D, "m", D, "n", 0)), T(S(mount_setattr, D, "m", 0, &attr, sizeof attr)); });
  T(S(umount2, "n", 0)), T(S(umount2, "m", MNT_DETACH));
  for (int i = 3; i < 60; i++) close(i);
}

static void namespaces(void) {
  TITLE("namespaces");
  int before = open("/proc/self/ns/uts", O_RDONLY), net = open("/proc/self/ns/net", O_RDONLY), plain = open(".", O_RDONLY);
  APART(T(S(unshare, CLONE_NEWUTS)), T(S(sethostname, "elsewhere", 9)), gethostname(text, 100), TEXT(text), T(S(setns, before, CLONE_NEWUTS)), gethostname(text, 100), V(strcmp(text, "elsewhere") != 0));
  APART(T(S(setns, net, 0)), T(S(setns, net, CLONE_NEWUTS)), T(S(setns, 99, 0)), T(S(setns, plain, 0)), T(S(setns, before, 1)), T(S(setns, net, CLONE_NEWNET)));
  static const struct { const char *name; int flag; } kinds[] = {{"ipc", CLONE_NEWIPC}, {"pid_for_children", CLONE_NEWPID}, {"cgroup", CLONE_NEWCGROUP}, {"mnt", CLONE_NEWNS}, {"user", CLONE_NEWUSER}, {"time_for_children", 0x80}};
  for (int i = 0; i < 6; i++) APART({ sprintf(text, "/proc/self/ns/%s", kinds[i].name); int fd = open(text, O_RDONLY); T(S(setns, fd, kinds[i].flag)); });
  APART(T(S(unshare, CLONE_NEWIPC)), T(S(unshare, CLONE_NEWNET)), T(S(unshare, CLONE_NEWCGROUP)), T(S(unshare, CLONE_NEWPID)), T(S(unshare, 0x80L)));
  APART(T(S(unshare, CLONE_NEWUSER)), V(geteuid()));
  APART(T(S(unshare, CLONE_FS)), T(S(unshare, CLONE_FILES)), T(S(unshare, CLONE_SYSVSEM)), T(S(unshare, CLONE_VM)), T(S(unshare, CLONE_SIGHAND)), T(S(unshare, CLONE_THREAD)), T(S(unshare, 0L)), T(S(unshare, 1L)), T(S(unshare, CLONE_PTRACE)));
  APART({ T(S(setresuid, 65534, 65534, 65534)); T(S(unshare, CLONE_NEWNS)); T(S(unshare, CLONE_NEWUTS)); T(S(setns, before, 0)); });
}

int main(void) {
  start();
  keys();
  modules();
  events();
  APART(mounts());
  namespaces();
  mkdir("allowed", 0755), close(open("allowed/in", O_CREAT | O_RDWR, 0644)), close(open("out", O_CREAT | O_RDWR, 0644));
  APART(landlock());
  return 0;
}
