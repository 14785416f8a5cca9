#include "part_file.hpp"

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

using namespace transfer;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t chunk_size = chunk_size_min;

/// A folder that goes with the test.
struct temporary_folder {
  temporary_folder() {
    auto pattern = (fs::temp_directory_path() / "part_file_test.XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~temporary_folder() { fs::remove_all(path); }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  fs::path path;
};

std::string content_of(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Three chunks, the last of them short.
struct sample {
  std::string content = std::string(chunk_size, 'a') + std::string(chunk_size, 'b') + "c";
  offer wanted;

  explicit sample(std::string text = {}) {
    if (!text.empty())
      content = std::move(text);
    sha256 hash;
    hash.update(std::as_bytes(std::span{content}));
    wanted.content = hash.finish();
    wanted.shape = {content.size(), chunk_size};
    wanted.name = "sample";
  }

  void write(part_file& to, std::uint32_t index) const {
    const auto bytes = std::as_bytes(std::span{content});
    to.write(index, bytes.subspan(wanted.shape.offset_of(index), wanted.shape.size_of(index)));
  }
};

} // namespace

TEST_CASE("a file appears under its name when it is whole, and not before") {
  const temporary_folder folder;
  const sample data;
  part_file part{folder.path, data.wanted};
  for (const std::uint32_t index : {2U, 0U, 1U}) {
    CHECK_FALSE(part.present().is_full());
    CHECK_FALSE(fs::exists(folder.path / "sample"));
    data.write(part, index);
  }
  REQUIRE(part.present().is_full());
  CHECK(part.finish() == data.wanted.content);
  CHECK(content_of(folder.path / "sample") == data.content);
  CHECK(std::distance(fs::directory_iterator{folder.path}, {}) == 1);
}

TEST_CASE("what was written is there when the file is opened again") {
  const temporary_folder folder;
  const sample data;
  data.write(*std::make_unique<part_file>(folder.path, data.wanted), 1);
  part_file again{folder.path, data.wanted};
  CHECK(again.present().size() == 1);
  CHECK(again.present().contains(1));
  data.write(again, 0);
  data.write(again, 2);
  CHECK(again.finish() == data.wanted.content);
}

TEST_CASE("a part of another content is not gone on with") {
  const temporary_folder folder;
  const sample old{std::string(3 * chunk_size, 'o')};
  const sample fresh{std::string(3 * chunk_size, 'f')};
  old.write(*std::make_unique<part_file>(folder.path, old.wanted), 0);
  CHECK(part_file{folder.path, fresh.wanted}.present().size() == 0);
}

TEST_CASE("a state file cut off at any byte starts the transfer anew or is whole") {
  const sample data;
  const temporary_folder folder;
  const auto state = folder.path / "sample.part.state";
  data.write(*std::make_unique<part_file>(folder.path, data.wanted), 0);
  const auto whole = content_of(state);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    std::ofstream{state, std::ios::binary | std::ios::trunc} << whole.substr(0, size);
    const auto resumed = part_file{folder.path, data.wanted}.present().size();
    CHECK(resumed == (size == whole.size() ? 1 : 0));
    fs::resize_file(folder.path / "sample.part", data.content.size());
  }
}

TEST_CASE("wrong content never gets the name") {
  const temporary_folder folder;
  sample data;
  data.content[5] = '!';
  part_file part{folder.path, data.wanted};
  for (std::uint32_t index = 0; index < 3; ++index)
    data.write(part, index);
  CHECK(part.finish() != data.wanted.content);
  CHECK(fs::is_empty(folder.path));
}

TEST_CASE("a file that is there already is recognised") {
  const temporary_folder folder;
  const sample data;
  std::ofstream{folder.path / "sample", std::ios::binary} << data.content;
  part_file part{folder.path, data.wanted};
  CHECK(part.present().is_full());
  CHECK(part.finish() == data.wanted.content);
  CHECK(std::distance(fs::directory_iterator{folder.path}, {}) == 1);
}

TEST_CASE("an empty file has no chunks and is whole at once") {
  const temporary_folder folder;
  offer wanted;
  wanted.content = sha256{}.finish();
  wanted.shape = {0, chunk_size};
  wanted.name = "empty";
  part_file part{folder.path, wanted};
  CHECK(part.present().is_full());
  CHECK(part.finish() == wanted.content);
  CHECK(fs::file_size(folder.path / "empty") == 0);
}

TEST_CASE("a part belongs to one process at a time") {
  const temporary_folder folder;
  const sample data;
  const part_file part{folder.path, data.wanted};
  CHECK_THROWS_AS((part_file{folder.path, data.wanted}), std::system_error);
}

TEST_CASE("a folder in the place of the part is reported with its name") {
  const temporary_folder folder;
  fs::create_directory(folder.path / "sample.part");
  try {
    const part_file part{folder.path, sample{}.wanted};
    FAIL("it was opened");
  } catch (const std::system_error& failure) {
    CHECK(std::string{failure.what()}.find("sample.part") != std::string::npos);
  }
}
