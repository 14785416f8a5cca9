// Where TLS's credentials come from: files that are read, kept for those with equal settings, and read again.

#include "certificates.hpp"
#include "edge/tls_files.hpp"
#include "edge/tls_store.hpp"
#include "stepped_shard.hpp"
#include "temporary_directory.hpp"

#include <actorwire/transports/memory_budget.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace actorwire::test {

namespace {

using Catch::Matchers::ContainsSubstring;
using namespace std::chrono_literals;

/// Files that a test may change.
class folder {
public:
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.path() + "/" + name; }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream{file(name), std::ios::binary} << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in{file(name), std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

  /// Settings of a server whose files are copies of those of `name`.
  [[nodiscard]] tls_config server(const std::string& name) const {
    write("certificate.pem", certificate_text(name + ".pem"));
    write("key.pem", certificate_text(name + ".key"));
    tls_config config;
    config.certificate.file = file("certificate.pem");
    config.key.file = file("key.pem");
    return config;
  }

private:
  temporary_directory directory_;
};

/// What a question was answered with.
class inquiry {
public:
  tls_store::answer wait(stepped_shard& where) {
    where.until([this] { return got_.has_value(); });
    return *got_;
  }
  [[nodiscard]] std::function<void(tls_store::answer)> taker() {
    return [this](tls_store::answer found) {
      CHECK_FALSE(got_);
      got_ = std::move(found);
    };
  }
  [[nodiscard]] bool has_answer() const noexcept { return got_.has_value(); }

  tls_store::query question;

private:
  std::optional<tls_store::answer> got_;
};

tls_config trusting_root() {
  tls_config config;
  config.trust.file = certificate_path("root.pem");
  return config;
}

void check_refused(const transport_error& failure, std::string_view text) {
  CHECK(failure.text == text);
  CHECK(failure.code == error_code::invalid_credentials);
  CHECK(failure.kind == error_kind::configuration);
}

} // namespace

// -- files --------------------------------------------------------------------------------------------------------------------

TEST_CASE("material is read from files and from texts", "[tls_files]") {
  const folder place;
  auto config = place.server("server-ec");
  place.write("list.pem", "revocations");
  config.trust.text = "trusted";
  config.revocation_file = place.file("list.pem");
  const auto read = read_tls_material(config);
  REQUIRE(read);
  CHECK(read->trust == "trusted");
  CHECK(read->certificate == certificate_text("server-ec.pem"));
  CHECK(read->key.reveal() == certificate_text("server-ec.key"));
  CHECK(read->revocations == "revocations");
  const auto nothing = read_tls_material({});
  REQUIRE(nothing);
  CHECK(nothing->trust.empty());
  CHECK(nothing->key.empty());
}

TEST_CASE("an empty file is read as nothing", "[tls_files]") {
  const folder place;
  place.write("empty.pem", "");
  tls_config config;
  config.trust.file = place.file("empty.pem");
  const auto read = read_tls_material(config);
  REQUIRE(read);
  CHECK(read->trust.empty());
}

TEST_CASE("a file that cannot be read is named by its setting, and by its path only for detailed errors",
          "[tls_files]") {
  const folder place;
  const auto good = place.server("server-ec");
  const auto missing = place.file("missing.pem");
  const auto check = [&](std::string_view field, tls_config config) {
    const auto text = std::string{field} + ": the file cannot be read";
    const auto failed = read_tls_material(config);
    REQUIRE_FALSE(failed);
    check_refused(failed.error(), text);
    config.detailed_errors = true;
    const auto explained = read_tls_material(config);
    REQUIRE_FALSE(explained);
    CHECK(explained.error().text == text + " [" + missing + ": No such file or directory]");
  };
  auto config = good;
  config.trust.file = missing;
  check("tls.trust", config);
  config = good;
  config.certificate.file = missing;
  check("tls.certificate", config);
  config = good;
  config.key.file = missing;
  check("tls.key", config);
  config = good;
  config.revocation_file = missing;
  check("tls.revocation_file", config);
}

TEST_CASE("what is no file, or too large to be one, is not read", "[tls_files]") {
  const folder place;
  tls_config config;
  SECTION("a folder") {
    config.trust.file = place.file(".");
  }
  SECTION("a pipe, which nobody writes to") {
    REQUIRE(::mkfifo(place.file("pipe").c_str(), 0600) == 0);
    config.trust.file = place.file("pipe");
  }
  SECTION("a device without end") {
    config.trust.file = "/dev/zero";
  }
  SECTION("a file of more than 16 MiB") {
    place.write("large", "x");
    REQUIRE(::truncate(place.file("large").c_str(), (16 << 20) + 1) == 0);
    config.trust.file = place.file("large");
  }
  const auto read = read_tls_material(config);
  REQUIRE_FALSE(read);
  check_refused(read.error(), "tls.trust: the file cannot be read");
}

TEST_CASE("the key log is appended to, and belongs to its owner alone", "[tls_files]") {
  const folder place;
  tls_config config;
  CHECK_FALSE(*open_key_log(config));
  config.key_log_file = place.file("keys.log");
  for (const auto* line : {"one\n", "two\n"}) {
    const auto log = open_key_log(config);
    REQUIRE(log);
    REQUIRE(*log);
    (*log)(line);
  }
  CHECK(place.read("keys.log") == "one\ntwo\n");
  struct stat about {};
  REQUIRE(::stat(place.file("keys.log").c_str(), &about) == 0);
  CHECK((about.st_mode & 0077) == 0);
}

TEST_CASE("a file that grows while it is read is not used", "[tls_files]") {
  const folder place;
  tls_config config;
  // The kernel makes it while it is read, and says before that it is empty.
  config.trust.file = "/proc/self/status";
  const auto read = read_tls_material(config);
  REQUIRE_FALSE(read);
  check_refused(read.error(), "tls.trust: the file cannot be read");
}

TEST_CASE("a key log that others could read, or have put there, is refused", "[tls_files]") {
  const folder place;
  tls_config config;
  config.key_log_file = place.file("keys.log");
  std::string_view complaint = "tls.key_log_file: it is not a file of this user that nobody else may read or write";
  SECTION("a file that others may read") {
    place.write("keys.log", "");
    REQUIRE(::chmod(config.key_log_file.c_str(), 0640) == 0);
  }
  SECTION("a file of another user") {
    place.write("keys.log", "");
    REQUIRE(::chmod(config.key_log_file.c_str(), 0600) == 0);
    if (::chown(config.key_log_file.c_str(), ::geteuid() + 1, static_cast<gid_t>(-1)) != 0)
      SKIP("only root gives files away");
  }
  SECTION("a device") {
    config.key_log_file = "/dev/null";
  }
  SECTION("a link, wherever it leads") {
    place.write("other.log", "");
    REQUIRE(::chmod(place.file("other.log").c_str(), 0600) == 0);
    REQUIRE(::symlink(place.file("other.log").c_str(), config.key_log_file.c_str()) == 0);
    complaint = "tls.key_log_file: the file cannot be written";
  }
  const auto log = open_key_log(config);
  REQUIRE_FALSE(log);
  check_refused(log.error(), complaint);
}

TEST_CASE("a key log that cannot be written is refused", "[tls_files]") {
  const folder place;
  tls_config config;
  config.key_log_file = place.file("missing/keys.log");
  auto log = open_key_log(config);
  REQUIRE_FALSE(log);
  check_refused(log.error(), "tls.key_log_file: the file cannot be written");
  config.detailed_errors = true;
  log = open_key_log(config);
  REQUIRE_FALSE(log);
  CHECK_THAT(log.error().text, ContainsSubstring(config.key_log_file));
}

// -- the store ----------------------------------------------------------------------------------------------------------------

TEST_CASE("whoever asks for connections that verify nobody is warned, once for the same settings", "[tls_store]") {
  const folder place;
  const auto path = place.file("said");
  const auto file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(file >= 0);
  const auto usual = ::dup(STDERR_FILENO);
  REQUIRE(::dup2(file, STDERR_FILENO) >= 0);
  tls_store store;
  tls_config careless;
  careless.verification = insecure_no_verification{};
  const auto first = store.load(tls_role::client, careless);
  const auto second = store.load(tls_role::client, careless);
  const auto careful = store.load(tls_role::client, trusting_root());
  std::fflush(stderr);
  ::dup2(usual, STDERR_FILENO);
  ::close(usual);
  ::close(file);
  CHECK((first && second && careful));
  CHECK(place.read("said")
        == "actorwire: warning: TLS connections do not verify the other side (insecure_no_verification)\n");
}

TEST_CASE("equal settings share one identity, different ones and other roles do not", "[tls_store]") {
  const folder place;
  tls_store store;
  auto config = place.server("server-ec");
  // A machine may have no authorities of its own.
  config.trust = trusting_root().trust;
  const auto first = store.load(tls_role::server, config);
  REQUIRE(first);
  CHECK((*first)->config() == config);
  CHECK((*first)->role() == tls_role::server);
  CHECK(*store.load(tls_role::server, config) == *first);
  CHECK(*store.load(tls_role::client, config) != *first);
  auto other = config;
  other.alpn = {"proto"};
  CHECK(*store.load(tls_role::server, other) != *first);
}

TEST_CASE("threads that ask for the same settings at once get the same identity", "[tls_store][C2]") {
  constexpr std::size_t rounds = 20;
  for (std::size_t round = 0; round < rounds; ++round) {
    tls_store store;
    std::array<std::shared_ptr<tls_identity>, 4> found;
    std::barrier together{static_cast<std::ptrdiff_t>(found.size())};
    std::vector<std::thread> askers;
    for (auto& each : found)
      askers.emplace_back([&] {
        together.arrive_and_wait();
        each = store.load(tls_role::client, trusting_root()).value();
      });
    for (auto& each : askers)
      each.join();
    for (const auto& each : found)
      REQUIRE(each == found.front());
  }
}

TEST_CASE("an answer comes in a turn of its own, whether files must be read or not", "[tls_store]") {
  stepped_shard here;
  tls_store store;
  inquiry first;
  first.question = store.find(tls_role::client, trusting_root(), here.run, first.taker());
  CHECK_FALSE(first.has_answer());
  const auto found = first.wait(here);
  REQUIRE(found);
  inquiry second;
  second.question = store.find(tls_role::client, trusting_root(), here.run, second.taker());
  CHECK_FALSE(second.has_answer());
  const auto again = second.wait(here);
  REQUIRE(again);
  CHECK(*again == *found);
}

TEST_CASE("settings that are not valid are refused before a file is read", "[tls_store]") {
  tls_store store;
  tls_config config;
  config.trust.file = "missing";
  config.session_cache_size = 0;
  const auto found = store.load(tls_role::client, config);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == error_code::invalid_value);
}

TEST_CASE("whoever asks for a missing file gets an answer, however many ask", "[tls_store]") {
  const folder place;
  stepped_shard here;
  tls_store store;
  tls_config config;
  config.trust.file = place.file("missing.pem");
  constexpr std::size_t askers = 1'000;
  std::vector<inquiry> inquiries(askers);
  for (auto& each : inquiries)
    each.question = store.find(tls_role::client, config, here.run, each.taker());
  for (auto& each : inquiries) {
    const auto found = each.wait(here);
    REQUIRE_FALSE(found);
    check_refused(found.error(), "tls.trust: the file cannot be read");
  }
  // It is looked for anew when it is there.
  place.write("missing.pem", certificate_text("root.pem"));
  inquiry late;
  late.question = store.find(tls_role::client, config, here.run, late.taker());
  CHECK(late.wait(here));
}

TEST_CASE("concurrent questions about the same settings get the same identity", "[tls_store]") {
  stepped_shard here;
  tls_store store;
  std::vector<inquiry> inquiries(100);
  for (auto& each : inquiries)
    each.question = store.find(tls_role::client, trusting_root(), here.run, each.taker());
  const auto first = inquiries.front().wait(here);
  REQUIRE(first);
  for (auto& each : inquiries)
    CHECK(*each.wait(here) == *first);
}

TEST_CASE("a question that was dropped is not answered", "[tls_store]") {
  stepped_shard here;
  tls_store store;
  std::vector<inquiry> dropped(100);
  for (auto& each : dropped)
    each.question = store.find(tls_role::client, trusting_root(), here.run, each.taker());
  for (auto& each : dropped)
    each.question = nullptr;
  inquiry last;
  last.question = store.find(tls_role::client, trusting_root(), here.run, last.taker());
  CHECK(last.wait(here));
  for (const auto& each : dropped)
    CHECK_FALSE(each.has_answer());
}

TEST_CASE("a store may end while questions are open", "[tls_store]") {
  stepped_shard here;
  std::vector<inquiry> inquiries(100);
  {
    tls_store store;
    for (auto& each : inquiries)
      each.question = store.find(tls_role::client, trusting_root(), here.run, each.taker());
  }
  while (here.run.run_ready()) {
  }
  inquiries.clear();
}

TEST_CASE("a reload takes what the files hold now", "[tls_store]") {
  const folder place;
  stepped_shard here;
  tls_store store;
  const auto config = place.server("server-ec");
  const auto identity = store.load(tls_role::server, config).value();
  const auto before = identity->present();
  static_cast<void>(place.server("renewed"));
  inquiry reload;
  reload.question = store.reload(tls_role::server, config, here.run, reload.taker());
  CHECK_FALSE(reload.has_answer());
  const auto reloaded = reload.wait(here);
  REQUIRE(reloaded);
  CHECK(*reloaded == identity);
  CHECK(identity->present() != before);
  // Those that use the old ones go on.
  CHECK(before->certificates() != nullptr);
}

TEST_CASE("a reload that finds something wrong leaves all as it was, and says what", "[tls_store]") {
  const folder place;
  stepped_shard here;
  tls_store store;
  const auto config = place.server("server-ec");
  const auto identity = store.load(tls_role::server, config).value();
  const auto before = identity->present();
  const auto whole = certificate_text("renewed.pem");
  std::string expected;
  SECTION("a missing file") {
    std::filesystem::remove(place.file("key.pem"));
    expected = "tls.key: the file cannot be read";
  }
  SECTION("a file that is half written") {
    place.write("certificate.pem", whole.substr(0, whole.size() / 4));
    expected = "tls.certificate: it and tls.key are no certificate and private key in PEM form";
  }
  SECTION("an empty file") {
    place.write("certificate.pem", "");
    expected = "tls.certificate: it and tls.key are no certificate and private key in PEM form";
  }
  SECTION("a key of another certificate") {
    place.write("certificate.pem", whole);
    expected = "tls.key: it is not the key of tls.certificate";
  }
  SECTION("a certificate that has expired") {
    static_cast<void>(place.server("expired"));
    expected = "tls.certificate: it has expired";
  }
  SECTION("a certificate that is not valid yet") {
    static_cast<void>(place.server("not-yet-valid"));
    expected = "tls.certificate: it is not valid yet";
  }
  inquiry reload;
  reload.question = store.reload(tls_role::server, config, here.run, reload.taker());
  const auto reloaded = reload.wait(here);
  REQUIRE_FALSE(reloaded);
  check_refused(reloaded.error(), expected);
  CHECK(identity->present() == before);
  CHECK(*store.load(tls_role::server, config) == identity);
}

TEST_CASE("settings that nobody uses are read like new ones by a reload", "[tls_store]") {
  stepped_shard here;
  tls_store store;
  inquiry reload;
  reload.question = store.reload(tls_role::client, trusting_root(), here.run, reload.taker());
  const auto found = reload.wait(here);
  REQUIRE(found);
  CHECK(*store.load(tls_role::client, trusting_root()) == *found);
}

TEST_CASE("identities that nobody uses are kept for a while, and then those that were used last", "[tls_store]") {
  tls_store store;
  const auto settings = [](std::size_t number) {
    auto config = trusting_root();
    config.server_name = "host-" + std::to_string(number) + ".test";
    return config;
  };
  const auto in_use = store.load(tls_role::client, settings(0)).value();
  std::vector<std::weak_ptr<tls_identity>> unused;
  for (std::size_t number = 1; number <= tls_store::unused_max + 4; ++number)
    unused.push_back(*store.load(tls_role::client, settings(number)));
  std::size_t kept = 0;
  for (const auto& each : unused)
    kept += each.expired() ? 0 : 1;
  CHECK(kept == tls_store::unused_max);
  CHECK(unused.front().expired());
  CHECK_FALSE(unused.back().expired());
  // One that is in use does not count, and stays.
  CHECK(*store.load(tls_role::client, settings(0)) == in_use);
}

TEST_CASE("the password of an encrypted key is asked for with the name of its file", "[tls_store]") {
  const folder place;
  const auto config = place.server("encrypted");
  std::atomic<int> asked{0};
  std::string about;
  tls_store store{[&](std::string_view file) {
    ++asked;
    about = file;
    return password_of("encrypted");
  }};
  CHECK(store.load(tls_role::server, config));
  CHECK(asked == 1);
  CHECK(about == config.key.file);
}

} // namespace actorwire::test
