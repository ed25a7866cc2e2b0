/*
 * Stands between a process and the system calls of its write path, as far as they concern files below one directory.
 * Loaded with LD_PRELOAD and told by the environment what to do:
 *
 *   CALLS_ROOT   the directory; calls for other files pass
 *   CALLS_TRACE  a file that gets a line "KIND NUMBER CALL FILE" for each call that counts, and "*" before one struck
 *   CALLS_FAULT  "KIND NUMBER WHAT HOW": the call of this kind and number is struck
 *
 * KIND is write, sync, open, look, cut, rename, remove or make. WHAT is EIO, ENOSPC, EMFILE, short (half is written and
 * the rest refused once, as on a full disk: libuv goes on after a short write by itself and tells only of that), before
 * or after (the process is killed). HOW is once, or always: from there on every call that WHAT is about. For a
 * kill, always means that until then every write is short.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, SYNC, OPEN, LOOK, CUT, RENAME, REMOVE, MAKE, KINDS };
enum what { PASS, ERROR, SHORT, BEFORE, AFTER };

static const char *const kind_names[KINDS] = {"write", "sync",   "open",   "look",
                                              "cut",   "rename", "remove", "make"};
static atomic_int counts[KINDS];
static const char *root;
static size_t root_length;
static int trace = -1;
static enum what fault = PASS;
static int fault_errno;
static int fault_kind = -1;
static int fault_number;
static int is_always;
static int is_kill;
static atomic_int has_struck;
/* Whether this thread's last write was short: what follows is its rest. */
static _Thread_local int is_rest;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void read_fault(const char *text) {
  char kind[16], what[16], how[16];
  if (sscanf(text, "%15s %d %15s %15s", kind, &fault_number, what, how) != 4) abort();
  for (int index = 0; index < KINDS; index++)
    if (strcmp(kind, kind_names[index]) == 0) fault_kind = index;
  is_always = strcmp(how, "always") == 0;
  fault = ERROR;
  if (strcmp(what, "EIO") == 0) fault_errno = EIO;
  else if (strcmp(what, "ENOSPC") == 0) fault_errno = ENOSPC;
  else if (strcmp(what, "EMFILE") == 0) fault_errno = EMFILE;
  else if (strcmp(what, "short") == 0) fault = SHORT;
  else if (strcmp(what, "before") == 0) fault = BEFORE;
  else if (strcmp(what, "after") == 0) fault = AFTER;
  else abort();
  is_kill = fault == BEFORE || fault == AFTER;
}

__attribute__((constructor)) static void start(void) {
  const char *trace_path = getenv("CALLS_TRACE");
  const char *fault_text = getenv("CALLS_FAULT");
  root = getenv("CALLS_ROOT");
  root_length = root == NULL ? 0 : strlen(root);
  if (trace_path != NULL)
    trace = REAL(open)(trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fault_text != NULL) read_fault(fault_text);
}

static int is_ours(const char *path) {
  return root != NULL && path != NULL && strncmp(path, root, root_length) == 0;
}

/* Whether a fault that goes on concerns calls of this kind. No process outlives its kill. */
static int concerns(enum kind kind) {
  if (fault == SHORT) return kind == WRITE;
  if (fault_errno == EMFILE) return kind == OPEN || kind == LOOK;
  return kind != LOOK;
}

/* Counts a call and says what becomes of it. */
static enum what strike(enum kind kind, const char *call, const char *path) {
  int number = atomic_fetch_add(&counts[kind], 1) + 1;
  int is_struck = 0;
  if (fault != PASS && (int)kind == fault_kind && number == fault_number) {
    atomic_store(&has_struck, 1);
    is_struck = 1;
  } else if (is_always && atomic_load(&has_struck))
    is_struck = concerns(kind);
  if (trace >= 0) {
    char line[4200];
    int length = snprintf(line, sizeof line, "%s%s %d %s %s\n", is_struck ? "*" : "", kind_names[kind], number,
                          call, path + root_length);
    if (REAL(write)(trace, line, length) != length) abort();
  }
  if (!is_struck && is_kill && is_always && kind == WRITE) {
    is_rest = 1;
    return SHORT;
  }
  if (!is_struck) return PASS;
  if (fault == BEFORE) kill(getpid(), SIGKILL);
  if (fault == ERROR) errno = fault_errno;
  is_rest = fault == SHORT;
  return fault;
}

static enum what strike_path(enum kind kind, const char *call, const char *path) {
  return is_ours(path) ? strike(kind, call, path) : PASS;
}

static enum what strike_file(enum kind kind, const char *call, int file) {
  char link[40], path[4096];
  if (root == NULL || file < 0) return PASS;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return PASS;
  path[length] = 0;
  if (kind == WRITE && is_rest && is_ours(path)) {
    is_rest = 0;
    errno = ENOSPC;
    return ERROR;
  }
  return strike_path(kind, call, path);
}

/* What comes after every call: the kill that waited for it. */
static long done(enum what what, long result) {
  int kept = errno;
  if (what == AFTER) kill(getpid(), SIGKILL);
  errno = kept;
  return result;
}

/* Nothing is left of a write of one byte or none. */
static size_t halved(size_t count) {
  if (count > 1) return count / 2;
  is_rest = 0;
  return count;
}

/* Half of the bytes, in as many pieces as it takes; one byte at least, since a count of 0 means that none will go. */
static int halve(const struct iovec *pieces, int count, struct iovec *half) {
  size_t left = 0;
  int used = 0;
  for (int index = 0; index < count; index++) left += pieces[index].iov_len;
  left = halved(left);
  for (; used < count && left > 0; used++) {
    half[used] = pieces[used];
    if (half[used].iov_len > left) half[used].iov_len = left;
    left -= half[used].iov_len;
  }
  return used;
}

ssize_t write(int file, const void *bytes, size_t count) {
  enum what what = strike_file(WRITE, "write", file);
  if (what == ERROR) return -1;
  return done(what, REAL(write)(file, bytes, what == SHORT ? halved(count) : count));
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t position) {
  enum what what = strike_file(WRITE, "pwrite", file);
  if (what == ERROR) return -1;
  return done(what, REAL(pwrite64)(file, bytes, what == SHORT ? halved(count) : count, position));
}

ssize_t writev(int file, const struct iovec *pieces, int count) {
  struct iovec half[1024];
  enum what what = strike_file(WRITE, "writev", file);
  if (what == ERROR) return -1;
  if (what == SHORT) return REAL(writev)(file, half, halve(pieces, count, half));
  return done(what, REAL(writev)(file, pieces, count));
}

ssize_t pwritev64(int file, const struct iovec *pieces, int count, off64_t position) {
  struct iovec half[1024];
  enum what what = strike_file(WRITE, "pwritev", file);
  if (what == ERROR) return -1;
  if (what == SHORT) return REAL(pwritev64)(file, half, halve(pieces, count, half), position);
  return done(what, REAL(pwritev64)(file, pieces, count, position));
}

int fdatasync(int file) {
  enum what what = strike_file(SYNC, "fdatasync", file);
  return what == ERROR ? -1 : done(what, REAL(fdatasync)(file));
}

int fsync(int file) {
  enum what what = strike_file(SYNC, "fsync", file);
  return what == ERROR ? -1 : done(what, REAL(fsync)(file));
}

int ftruncate64(int file, off64_t length) {
  enum what what = strike_file(CUT, "ftruncate", file);
  return what == ERROR ? -1 : done(what, REAL(ftruncate64)(file, length));
}

int open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  enum kind kind = (flags & O_ACCMODE) == O_RDONLY ? LOOK : OPEN;
  enum what what = strike_path(kind, "open", path);
  return what == ERROR ? -1 : done(what, REAL(open64)(path, flags, mode));
}

int rename(const char *from, const char *to) {
  enum what what = strike_path(RENAME, "rename", to);
  return what == ERROR ? -1 : done(what, REAL(rename)(from, to));
}

int unlink(const char *path) {
  enum what what = strike_path(REMOVE, "unlink", path);
  return what == ERROR ? -1 : done(what, REAL(unlink)(path));
}

int rmdir(const char *path) {
  enum what what = strike_path(REMOVE, "rmdir", path);
  return what == ERROR ? -1 : done(what, REAL(rmdir)(path));
}

int remove(const char *path) {
  enum what what = strike_path(REMOVE, "remove", path);
  return what == ERROR ? -1 : done(what, REAL(remove)(path));
}

int mkdir(const char *path, mode_t mode) {
  enum what what = strike_path(MAKE, "mkdir", path);
  return what == ERROR ? -1 : done(what, REAL(mkdir)(path, mode));
}
