# Faults of the machine under a server, by a library that its processes load (LD_PRELOAD): the wall
# clock runs ahead or behind, and files of databases cannot grow. Only the test's own server has it.
#
#   my $faults = Faults->new;
#   $faults->start($node);
#   $faults->clock(-3600);      # the wall clock is an hour behind from now on
#   $faults->disk_full(1);
package Faults;

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

my $source = <<'EOC';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct faults { volatile int64_t clock_offset_s; volatile int64_t disk_full; };

static struct faults none;
static struct faults *faults = &none;

__attribute__((constructor)) static void map_faults(void)
{
	const char *path = getenv("MONITORING_FAULTS");
	int fd = path ? open(path, O_RDWR) : -1;
	if (fd < 0) return;
	void *at = mmap(0, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED) faults = at;
	close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
	int result = real(clock, at);
	if (clock == CLOCK_REALTIME) at->tv_sec += faults->clock_offset_s;
	return result;
}

/* A clock source that needs a system call gives another time at each read. */
int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;
	(void) zone;
	usleep(1);
	clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

static int grows(int fd, off_t end)
{
	char link[64], path[4096];
	struct stat file;
	if (!faults->disk_full) return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0) return 0;
	path[length] = 0;
	return strstr(path, "/base/") && !fstat(fd, &file) && end > file.st_size;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);
	if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
	if (grows(fd, at + (off_t) size)) { errno = ENOSPC; return -1; }
	return real(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return pwrite64(fd, data, size, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
	static ssize_t (*real)(int, const struct iovec *, int, off_t);
	off_t size = 0;
	if (!real) real = dlsym(RTLD_NEXT, "pwritev");
	for (int i = 0; i < count; i++) size += (off_t) parts[i].iov_len;
	if (grows(fd, at + size)) { errno = ENOSPC; return -1; }
	return real(fd, parts, count, at);
}

int posix_fallocate(int fd, off_t at, off_t size)
{
	static int (*real)(int, off_t, off_t);
	if (!real) real = dlsym(RTLD_NEXT, "posix_fallocate");
	return grows(fd, at + size) ? ENOSPC : real(fd, at, size);
}
EOC

sub new
{
	my ($class) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my $self = bless { library => "$directory/faults.so", state => "$directory/faults" }, $class;
	append_to_file("$directory/faults.c", $source);
	system_or_bail($ENV{CC} // 'cc', '-O1', '-shared', '-fPIC', '-o', $self->{library}, "$directory/faults.c", '-ldl');
	append_to_file($self->{state}, pack('q2', 0, 0));
	return $self;
}

sub start
{
	my ($self, $node) = @_;
	local $ENV{LD_PRELOAD} = $self->{library};
	local $ENV{MONITORING_FAULTS} = $self->{state};
	$node->start;
	return;
}

sub _set
{
	my ($self, $place, $value) = @_;
	open(my $file, '+<:raw', $self->{state}) or die "$self->{state}: $!";
	seek($file, 8 * $place, 0);
	print {$file} pack('q', $value);
	close($file) or die "$self->{state}: $!";
	return;
}

sub clock     { my ($self, $seconds) = @_; return $self->_set(0, $seconds); }
sub disk_full { my ($self, $is_full) = @_; return $self->_set(1, $is_full ? 1 : 0); }

1;
