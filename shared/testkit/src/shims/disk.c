/* A disk that is slow to sync, or full below some path. Loaded in front of libc. CONTROL names a file with the milliseconds
   that each sync takes and, on a second line, the path below which nothing can be written; empty: none. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds; the path goes to `full`. */
static long control(char *full, size_t size) {
  char text[4096];
  full[0] = 0;
  long fd = syscall(SYS_openat, AT_FDCWD, CONTROL, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  long length = syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  if (length <= 0) return 0;
  text[length] = 0;
  char *line = strchr(text, '\n');
  if (line) {
    *line = 0;
    char *end = strchr(line + 1, '\n');
    if (end) *end = 0;
    snprintf(full, size, "%s", line + 1);
  }
  return atol(text);
}

static void stall(void) {
  char full[4096];
  int before = errno;
  long left = control(full, sizeof full);
  struct timespec time = {left / 1000, (left % 1000) * 1000000};
  while (left > 0 && nanosleep(&time, &time) != 0 && errno == EINTR) {}
  errno = before;
}

static int is_full(int fd) {
  char full[4096], link[64], path[4096];
  int before = errno, found = 0;
  control(full, sizeof full);
  if (full[0]) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length > 0) {
      path[length] = 0;
      found = strncmp(path, full, strlen(full)) == 0;
    }
  }
  errno = found ? ENOSPC : before;
  return found;
}

int fsync(int fd) { stall(); return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { stall(); return syscall(SYS_fdatasync, fd); }

ssize_t write(int fd, const void *from, size_t size) {
  return is_full(fd) ? -1 : syscall(SYS_write, fd, from, size);
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
  return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, from, size, at);
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
  return is_full(fd) ? -1 : syscall(SYS_pwrite64, fd, from, size, at);
}
ssize_t pwritev(int fd, const struct iovec *from, int count, off_t at) {
  return is_full(fd) ? -1 : syscall(SYS_pwritev, fd, from, (long)count, (long)at, 0L);
}
int posix_fallocate(int fd, off_t at, off_t size) {
  if (is_full(fd)) return ENOSPC;
  return syscall(SYS_fallocate, fd, 0, at, size) == 0 ? 0 : errno;
}
