// How much a connection may write of itself, and how many may.

#include "edge/quic/qlog_file.hpp"
#include "temporary_directory.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>

using namespace actorwire;
using namespace actorwire::test;

namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

int create(const std::filesystem::path& file) {
  const auto descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  REQUIRE(descriptor >= 0);
  return descriptor;
}

} // namespace

TEST_CASE("a log that is full ends with its last whole record, and takes no more") {
  const temporary_directory folder;
  const auto file = std::filesystem::path{folder.path()} / "log";
  const std::string record(1'000, 'r');
  {
    qlog_file log{create(file), 100'500};
    for (int count = 0; count < 1'000; ++count)
      log.write(record);
    CHECK(std::filesystem::file_size(file) == 100'000);
    // Not even one that would fit.
    log.write("small");
  }
  CHECK(std::filesystem::file_size(file) == 100'000);
}

TEST_CASE("a log keeps every record in its order, whether it is larger than what is gathered or not") {
  const temporary_directory folder;
  const auto file = std::filesystem::path{folder.path()} / "log";
  std::string expected;
  {
    qlog_file log{create(file)};
    for (const auto size : std::initializer_list<std::size_t>{10, 60'000, 10'000, 200'000, 1, 65'536, 65'537, 0, 30}) {
      const std::string record(size, static_cast<char>('a' + expected.size() % 26));
      log.write(record);
      expected += record;
    }
  }
  CHECK(text_of(file) == expected);
}

TEST_CASE("a folder is given so many logs, only for their owner to read, and no more") {
  const temporary_directory folder;
  quic_config quic;
  quic.qlog_directory = folder.path();
  qlog_folder logs;
  for (std::size_t count = 0; count < qlog_folder::files_max; ++count) {
    const auto log = logs.begin(quic, count % 2 == 0);
    REQUIRE(log);
    log("a record");
  }
  CHECK_FALSE(logs.begin(quic, true));
  std::size_t found = 0;
  for (const auto& each : std::filesystem::directory_iterator{folder.path()}) {
    ++found;
    CHECK(each.file_size() == 8);
    CHECK(each.path().extension() == ".sqlog");
    CHECK(each.status().permissions() == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  }
  CHECK(found == qlog_folder::files_max);
}

TEST_CASE("where no log can be made there is none") {
  const temporary_directory folder;
  quic_config quic;
  quic.qlog_directory = std::string{folder.path()} + "/missing";
  qlog_folder logs;
  CHECK_FALSE(logs.begin(quic, false));
  quic.qlog_directory.clear();
  CHECK_FALSE(logs.begin(quic, false));
}
