/* For LD_PRELOAD: a disk that is full, and a process that dies at its n-th write. What happens is said
 * by a file of three int32 (DISK_FAULT names it), which tests write to at any time: the process id to
 * kill, the number of writes that it still makes, and whether files may grow. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct Plan {
  volatile int victim;
  volatile int writes_left;
  volatile int is_full;
};

static struct Plan *plan(void) {
  static struct Plan *mapped;
  if (mapped == NULL) {
    const char *path = getenv("DISK_FAULT");
    int file = path == NULL ? -1 : open(path, O_RDWR);
    if (file < 0) return NULL;
    void *at = mmap(NULL, sizeof(struct Plan), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at == MAP_FAILED) return NULL;
    mapped = at;
  }
  return mapped;
}

static void count_write(void) {
  struct Plan *p = plan();
  if (p == NULL || p->victim != getpid()) return;
  if (p->writes_left-- > 0) return;
  p->victim = 0;
  kill(getpid(), SIGKILL);
}

/* Overwriting needs no room. */
static int refused(int file, off_t end) {
  struct Plan *p = plan();
  struct stat now;
  count_write();
  if (p == NULL || !p->is_full) return 0;
  if (fstat(file, &now) != 0 || !S_ISREG(now.st_mode) || end <= now.st_size) return 0;
  errno = ENOSPC;
  return 1;
}

static off_t length(const struct iovec *parts, int count) {
  off_t sum = 0;
  for (int i = 0; i < count; ++i) sum += (off_t)parts[i].iov_len;
  return sum;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int file, const void *from, size_t size, off_t at) {
  return refused(file, at + (off_t)size) ? -1 : NEXT(pwrite)(file, from, size, at);
}

ssize_t pwrite64(int file, const void *from, size_t size, off64_t at) {
  return refused(file, at + (off_t)size) ? -1 : NEXT(pwrite64)(file, from, size, at);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
  return refused(file, at + length(parts, count)) ? -1 : NEXT(pwritev)(file, parts, count, at);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
  return refused(file, at + length(parts, count)) ? -1 : NEXT(pwritev64)(file, parts, count, at);
}

int posix_fallocate(int file, off_t at, off_t size) {
  return refused(file, at + size) ? ENOSPC : NEXT(posix_fallocate)(file, at, size);
}

int posix_fallocate64(int file, off64_t at, off64_t size) {
  return refused(file, at + size) ? ENOSPC : NEXT(posix_fallocate64)(file, at, size);
}
