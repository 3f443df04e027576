#include "monitoring/base/regular_file.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace monitoring {
namespace {

class RegularFile : public ::testing::Test {
 protected:
  ~RegularFile() override {
    for (const std::string& path : made_) unlink(path.c_str());
  }
  std::string path(const char* name) {
    made_.push_back(::testing::TempDir() + "regular_file_test_" + name);
    unlink(made_.back().c_str());
    return made_.back();
  }
  std::string file(const char* name, const std::string& content) {
    std::string made = path(name);
    std::ofstream(made) << content;
    return made;
  }

 private:
  std::vector<std::string> made_;
};

TEST_F(RegularFile, IsReadWhole) {
  std::string text = "before";
  EXPECT_FALSE(read_regular_file(file("short", "a\nb"), 3, &text));
  EXPECT_EQ(text, "a\nb");
  EXPECT_FALSE(read_regular_file(file("empty", ""), 0, &text));
  EXPECT_EQ(text, "");
  const std::string large(100'000, 'x');
  EXPECT_FALSE(read_regular_file(file("large", large), large.size(), &text));
  EXPECT_EQ(text, large);
}

TEST_F(RegularFile, OfProcSaysThatItIsEmpty) {
  std::string text;
  EXPECT_FALSE(read_regular_file("/proc/self/stat", 65536, &text));
  EXPECT_NE(text, "");
}

TEST_F(RegularFile, HasALimit) {
  std::string text;
  const auto failure = read_regular_file(file("long", "abcd"), 3, &text);
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->error.message.find("holds more than 3 bytes"), std::string::npos);
  EXPECT_EQ(text, "");
}

/// Whatever a name may lead to. None may be waited for.
TEST_F(RegularFile, NothingElseIs) {
  const std::string fifo = path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::string link = path("link");
  ASSERT_EQ(symlink(fifo.c_str(), link.c_str()), 0);
  const std::string local = path("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, local.c_str(), sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(fd);
  for (const std::string& name :
       {fifo, link, local, std::string("/dev/zero"), std::string("/dev/tty"), std::string("/tmp"),
        std::string("/nonexistent/file"), std::string(), std::string("a\0b", 3)}) {
    std::string text;
    EXPECT_TRUE(read_regular_file(name, 10, &text)) << name;
    EXPECT_TRUE(check_regular_file(name)) << name;
    EXPECT_EQ(text, "") << name;
  }
  std::string text;
  EXPECT_EQ(read_regular_file("/nonexistent/file", 10, &text)->system_error, ENOENT);
  EXPECT_EQ(read_regular_file(fifo, 10, &text)->error.message,
            "file \"" + fifo + "\" is no regular file");
}

}  // namespace
}  // namespace monitoring
