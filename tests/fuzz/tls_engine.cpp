// Whatever arrives and however it is cut: the engine of TLS believes nothing that the other side did not say, tells each
// end with its reason, holds no more than its bounds, and asks nobody to wait for ever. GnuTLS itself is not instrumented:
// what libFuzzer follows are the decisions of the engine.
//
// An input is
//   1 byte   mode, see below
//   3 bytes  settings of both sides: see `settings`
//   1 byte   n, how many cuts follow (modulo 16)
//   n bytes  cuts, used in turn: in what pieces bytes arrive
// and then, in the modes 0 (to a server) and 1 (to a client, which has said its hello)
//   1 byte   how often the rest arrives, less 1 (modulo 64)
//   the rest what arrives instead of anything that knows TLS
// in mode 2, where two sides shake hands, talk and close
//   4 bytes  how much the client and the server say (modulo 16,384)
//   the rest what goes wrong on the way, 4 bytes each: see `accident`
// in mode 3, where two sides have shaken hands
//   the rest what happens: see `turmoil`
//
// Certificates, random numbers (see fixed_random.hpp) and the time of day are the same in each run. The clock by which GnuTLS
// tells the age of session tickets is not: what these contain differs, and nothing else. No check depends on either.

#include "engine/wall_time.hpp"
#include "fixed_random.hpp"
#include "session_memory.hpp"
#include "target.hpp"
#include "tls_identities.hpp"
#include "tls_party.hpp"

#include <actorwire/transports/memory_budget.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace actorwire::fuzz {

namespace {

constexpr std::array roles{tls_role::client, tls_role::server};

tls_role other(tls_role role) noexcept {
  return role == tls_role::client ? tls_role::server : tls_role::client;
}

// -- settings -------------------------------------------------------------------------------------------------------------

enum class shown : std::uint8_t { good, other_host, foreign, none };
enum class alpn : std::uint8_t { off, common, server_only, disjoint };

/// What both sides are set to, and whether they can agree.
struct settings {
  actorwire::client_certificates client_certificates{};
  std::array<tls_version, 2> minimum_version{};
  alpn protocols{};
  bool detailed_errors = false;
  bool session_resumption = false;

  /// What they show, by role.
  std::array<shown, 2> certificates{};
  bool client_verifies = true;
  /// Which side is no engine.
  std::optional<tls_role> by_hand;
  bool stranger_speaks_tls1_3 = false;

  /// The network has memory for slabs.
  bool has_memory = true;

  static settings from(reader& in) {
    constexpr std::array wanted{client_certificates::off, client_certificates::request, client_certificates::require,
                                client_certificates::off};
    constexpr std::array by_client{shown::none, shown::good, shown::foreign, shown::good};
    constexpr std::array by_server{shown::good, shown::other_host, shown::foreign, shown::good};
    constexpr std::array<std::optional<tls_role>, 4> strangers{std::nullopt, std::nullopt, tls_role::client,
                                                               tls_role::server};
    const auto bit = [](unsigned byte, unsigned index) { return (byte >> index & 1U) != 0; };
    const auto version = [](bool is_old) { return is_old ? tls_version::tls1_2 : tls_version::tls1_3; };
    settings made;
    const unsigned first = in.byte();
    made.client_certificates = wanted[first & 3U];
    made.minimum_version = {version(bit(first, 2)), version(bit(first, 3))};
    made.protocols = static_cast<alpn>(first >> 4U & 3U);
    made.detailed_errors = bit(first, 6);
    made.session_resumption = bit(first, 7);
    const unsigned second = in.byte();
    made.certificates = {by_client[second & 3U], by_server[second >> 2U & 3U]};
    made.client_verifies = !bit(second, 4);
    made.by_hand = strangers[second >> 5U & 3U];
    made.stranger_speaks_tls1_3 = bit(second, 7);
    made.has_memory = !bit(in.byte(), 0);
    return made;
  }

  /// Takes back what two sides could not agree on.
  void make_agreeable() {
    certificates = {shown::good, shown::good};
    protocols = by_hand || protocols == alpn::off ? alpn::off : alpn::common;
    if (by_hand && !stranger_speaks_tls1_3)
      minimum_version = {tls_version::tls1_2, tls_version::tls1_2};
  }

  [[nodiscard]] bool can_agree() const {
    return has_common_version() && has_common_protocol() && server_is_believed() && client_is_believed();
  }

  [[nodiscard]] const identity* identity_of(tls_role role) const {
    const auto is_server = role == tls_role::server;
    switch (certificates[index_of(role)]) {
      case shown::good:
        return is_server ? &world().server : &world().client;
      case shown::other_host:
        return &world().other_host;
      case shown::foreign:
        return is_server ? &world().foreign_server : &world().foreign_client;
      case shown::none:
        return nullptr;
    }
    return nullptr;
  }

  [[nodiscard]] tls_config config_of(tls_role role) const {
    tls_config config;
    config.trust.text = world().trust;
    if (const auto* mine = identity_of(role)) {
      config.certificate.text = mine->certificate;
      config.key.text = mine->key;
    }
    config.minimum_version = minimum_version[index_of(role)];
    config.detailed_errors = detailed_errors;
    config.session_resumption = session_resumption;
    if (role == tls_role::server)
      config.client_certificates = client_certificates;
    else if (!client_verifies)
      config.verification = insecure_no_verification{};
    if (protocols == alpn::disjoint)
      config.alpn = {role == tls_role::server ? "left" : "right"};
    else if (protocols == alpn::common)
      config.alpn = {role == tls_role::server ? "left" : "right", "common"};
    else if (protocols == alpn::server_only && role == tls_role::server)
      config.alpn = {"left"};
    return config;
  }

  static std::size_t index_of(tls_role role) noexcept { return role == tls_role::client ? 0 : 1; }

private:
  /// Two engines always have TLS 1.3.
  [[nodiscard]] bool has_common_version() const {
    return !by_hand || stranger_speaks_tls1_3 || minimum_version[index_of(other(*by_hand))] == tls_version::tls1_2;
  }
  /// Strangers have never heard of ALPN.
  [[nodiscard]] bool has_common_protocol() const {
    if (by_hand)
      return protocols == alpn::off || (protocols == alpn::server_only && *by_hand == tls_role::server);
    return protocols == alpn::off || protocols == alpn::common;
  }
  [[nodiscard]] bool server_is_believed() const {
    return by_hand == tls_role::client || !client_verifies || certificates[1] == shown::good;
  }
  [[nodiscard]] bool client_is_believed() const {
    if (by_hand == tls_role::server || client_certificates == client_certificates::off)
      return true;
    return certificates[0] == shown::good
        || (certificates[0] == shown::none && client_certificates == client_certificates::request);
  }
};

/// Kept from run to run, because to make them costs as much as to use them. There are some hundred of them.
std::shared_ptr<const tls_credentials> credentials(tls_role role, const settings& wanted) {
  static std::vector<std::shared_ptr<const tls_credentials>> known;
  const auto config = wanted.config_of(role);
  const auto found =
      std::ranges::find_if(known, [&](const auto& each) { return each->role() == role && each->config() == config; });
  if (found != known.end())
    return *found;
  tls_services services;
  services.sessions = sessions();
  // Their keys are not to depend on the runs before this one.
  restart_random(2);
  auto made = tls_credentials::make(role, config, {config.trust.text, config.certificate.text, config.key.text, {}},
                                    services, good_day);
  check(made.has_value(), "the settings are good");
  return known.emplace_back(std::move(*made));
}

// -- the way between ------------------------------------------------------------------------------------------------------

/// In what pieces bytes arrive: 1 .. 64 bytes, then multiples of 64 up to 12 KiB, so that few cuts make both.
class cuts {
public:
  static cuts from(reader& in) {
    cuts made;
    const auto count = in.byte() % 16;
    for (auto index = 0; index < count; ++index)
      made.codes_.push_back(in.byte());
    if (made.codes_.empty())
      made.codes_.push_back(0xFF);
    return made;
  }

  std::size_t next() noexcept {
    const std::size_t code = codes_[used_++ % codes_.size()];
    return code < 64 ? code + 1 : (code - 62) * 64;
  }

private:
  std::vector<std::uint8_t> codes_;
  std::size_t used_ = 0;
};

/// What goes wrong on the way: a byte that changes, bytes that come from nowhere, are lost or come twice, or the loss of
/// all that follows.
struct accident {
  enum class kind : std::uint8_t { flip, insert, lose, repeat, cut };

  kind what;
  /// Whose bytes.
  tls_role from;
  std::uint16_t position;
  std::uint8_t detail;

  /// 1 byte for what and whose, 2 for where, 1 for details.
  static accident from_input(reader& in) {
    const auto code = in.byte();
    constexpr std::array kinds{kind::flip, kind::insert, kind::lose, kind::repeat, kind::cut};
    accident made{kinds[(code & 0x7FU) % kinds.size()], roles[code >> 7U], 0, 0};
    made.position = in.word();
    made.detail = in.byte();
    return made;
  }
};

/// Bytes on their way from one side to the other.
class wire {
public:
  void expect(const accident& coming) { coming_.push_back(coming); }

  /// Takes what was sent. What was to happen to it does.
  void put(std::string bytes) {
    const auto begin = sent_;
    const auto end = sent_ += bytes.size();
    if (is_cut_)
      return;
    waiting_ += bytes;
    for (const auto& each : coming_)
      if (begin <= each.position && each.position < end)
        spoil(each, waiting_.size() - std::min<std::size_t>(waiting_.size(), end - each.position));
  }

  /// Has something happen to what is on its way.
  void spoil(const accident& what) {
    if (!waiting_.empty())
      spoil(what, what.position % waiting_.size());
  }

  [[nodiscard]] std::string take(std::size_t size) {
    auto bytes = waiting_.substr(0, size);
    waiting_.erase(0, bytes.size());
    delivered_ += bytes.size();
    return bytes;
  }

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }
  /// What arrives is what was sent.
  [[nodiscard]] bool is_clean() const noexcept { return !is_spoilt_; }
  void cut() {
    is_cut_ = true;
    is_spoilt_ = true;
    waiting_.clear();
  }

private:
  void spoil(const accident& what, std::size_t at) {
    if (at >= waiting_.size())
      return;
    is_spoilt_ = true;
    const std::size_t count = what.detail + 1U;
    switch (what.what) {
      case accident::kind::flip:
        waiting_[at] = static_cast<char>(waiting_[at] ^ static_cast<char>(std::max<std::uint8_t>(what.detail, 1)));
        return;
      case accident::kind::insert:
        waiting_.insert(at, 1 + count / 64, static_cast<char>(what.detail));
        return;
      case accident::kind::lose:
        waiting_.erase(at, count);
        return;
      case accident::kind::repeat:
        waiting_.insert(at, waiting_.substr(at, count));
        return;
      case accident::kind::cut:
        waiting_.resize(at);
        is_cut_ = true;
        return;
    }
  }

  std::vector<accident> coming_;
  std::string waiting_;
  std::uint64_t sent_ = 0;
  std::uint64_t delivered_ = 0;
  bool is_spoilt_ = false;
  bool is_cut_ = false;
};

// -- a conversation -------------------------------------------------------------------------------------------------------

class conversation {
public:
  using both_credentials = std::array<std::shared_ptr<const tls_credentials>, 2>;

  conversation(const settings& wanted, const both_credentials& known, buffer_pool& buffers, cuts pieces)
    : settings_(wanted), cuts_(std::move(pieces)) {
    for (const auto role : roles) {
      auto& here = sides_[settings::index_of(role)];
      if (wanted.by_hand == role) {
        auto made = std::make_unique<stranger>(role, wanted.stranger_speaks_tls1_3, wanted.identity_of(role));
        stranger_ = made.get();
        here = std::move(made);
      } else {
        auto made = std::make_unique<engine_party>(known[settings::index_of(role)], buffers);
        engines_[settings::index_of(role)] = made.get();
        here = std::move(made);
      }
    }
  }

  [[nodiscard]] party& side(tls_role role) noexcept { return *sides_[settings::index_of(role)]; }
  /// Null if that side is none.
  [[nodiscard]] engine_party* engine(tls_role role) noexcept { return engines_[settings::index_of(role)]; }
  [[nodiscard]] stranger* by_hand() noexcept { return stranger_; }
  /// What is on its way from `role`.
  [[nodiscard]] wire& from(tls_role role) noexcept { return wires_[settings::index_of(role)]; }

  /// Has a side say so much as soon as it can.
  void plan(tls_role who, std::size_t bytes) { unsaid_[settings::index_of(who)] = bytes; }
  void plan_to_close() noexcept { closes_ = true; }
  /// From here on the engine may refuse what the stranger sends.
  void note_rudeness() noexcept { is_rude_ = true; }

  /// The next piece of what is on its way to `to` arrives.
  void deliver(tls_role to, std::size_t size) {
    const auto bytes = from(other(to)).take(size);
    if (!bytes.empty() && !side(to).has_failed())
      side(to).feed(bytes);
  }

  /// Goes on until nothing moves any more.
  void settle() {
    // Each round moves a byte at least, and there are not that many.
    constexpr auto rounds_max = 2'000'000;
    auto rounds = 0;
    for (auto moves = true; moves;) {
      check(++rounds < rounds_max, "a conversation comes to rest");
      moves = false;
      for (const auto role : roles) {
        advance(role);
        auto sent = side(role).take(std::string::npos, pieces_max);
        moves = moves || !sent.empty();
        from(role).put(std::move(sent));
      }
      for (const auto role : roles) {
        moves = moves || !from(other(role)).empty();
        deliver(role, cuts_.next());
        advance(role);
        check_truth(role);
      }
    }
  }

  /// The streams below end, and then everybody knows how the conversation ended.
  void end() {
    for (const auto role : roles)
      side(role).end_input();
    settle();
    for (const auto role : roles)
      if (engine(role) != nullptr)
        check(side(role).has_failed() || side(role).sees_end(), "an end is told, and what kind of end it is");
    if (is_clean() && settings_.can_agree())
      for (const auto role : roles)
        check(side(role).is_ready() && side(role).sees_end(), "where nothing is wrong nothing fails");
    if (!settings_.can_agree())
      for (const auto role : roles)
        check(!side(role).is_ready() || side(role).heard() == 0, "nobody talks to whom he does not agree with");
  }

  /// Nothing happened that TLS does not allow for.
  [[nodiscard]] bool is_clean() const noexcept {
    return !is_rude_ && std::ranges::all_of(wires_, [](const auto& each) { return each.is_clean(); });
  }

  /// What `who` has heard and been told is true.
  void check_truth(tls_role who) {
    auto& hears = side(who);
    auto& speaks = side(other(who));
    check(hears.heard() <= speaks.said(), "nothing comes out that was not said");
    check(!hears.sees_end() || (speaks.has_closed() && hears.heard() == speaks.said()),
          "an end is believed only from who has said all he had to say");
    const auto* left = engine(tls_role::client);
    const auto* right = engine(tls_role::server);
    if (left != nullptr && right != nullptr && left->is_done() && right->is_done() && !agreement_seen_) {
      agreement_seen_ = true;
      check_agreement(left->info(), right->info());
    }
  }

private:
  static constexpr std::size_t pieces_max = 4;

  void advance(tls_role role) {
    auto& here = side(role);
    here.shake_hands();
    while (here.is_ready() && !here.sees_end() && here.hear(room) > 0) {
    }
    check_acknowledged(role);
    auto& unsaid = unsaid_[settings::index_of(role)];
    while (here.may_speak() && unsaid > 0) {
      const auto taken = here.say(unsaid, 3);
      unsaid -= taken;
      if (taken == 0)
        return;
    }
    if (closes_ && here.may_speak())
      here.close();
  }

  /// What arrived was heard by now, so whoever said it may believe in what is acknowledged.
  void check_acknowledged(tls_role hearer) {
    auto* speaker = engine(other(hearer));
    const auto& way = from(other(hearer));
    if (speaker == nullptr || !way.is_clean())
      return;
    const auto acked = speaker->acknowledge(std::min(way.delivered(), speaker->taken()));
    check(!side(hearer).is_ready() || acked <= side(hearer).heard(), "what is acknowledged has arrived");
  }

  static void check_agreement(const tls_info& left, const tls_info& right) {
    check(left.version == "TLS1.3", "two engines speak the newest version");
    check(left.version == right.version && left.cipher == right.cipher && left.alpn == right.alpn
              && left.resumed == right.resumed,
          "both sides agree on the same");
  }

  static constexpr std::size_t room = 3'000;

  const settings settings_;
  cuts cuts_;
  std::array<std::unique_ptr<party>, 2> sides_;
  std::array<engine_party*, 2> engines_{};
  stranger* stranger_ = nullptr;
  std::array<wire, 2> wires_;
  std::array<std::size_t, 2> unsaid_{};
  bool closes_ = false;
  bool is_rude_ = false;
  bool agreement_seen_ = false;
};

// -- modes ----------------------------------------------------------------------------------------------------------------

/// All that a run needs.
struct stage {
  explicit stage(reader& in)
    : wanted(settings::from(in)),
      pieces(cuts::from(in)),
      buffers(std::make_shared<memory_budget>(wanted.has_memory ? std::size_t{64} << 20U : 0)) {
    sessions()->clear();
  }

  [[nodiscard]] conversation begin(const conversation::both_credentials& known) {
    return {wanted, known, buffers, pieces};
  }
  /// What follows does not depend on whether they were known.
  [[nodiscard]] conversation::both_credentials both_credentials() const {
    auto both =
        conversation::both_credentials{credentials(tls_role::client, wanted), credentials(tls_role::server, wanted)};
    restart_random(3);
    return both;
  }

  settings wanted;
  cuts pieces;
  buffer_pool buffers;
};

/// What arrives knows nothing of TLS, or nothing of this connection.
void run_noise(tls_role role, reader& in) {
  stage here{in};
  const auto known = credentials(role, here.wanted);
  restart_random(3);
  engine_party side{known, here.buffers};
  side.shake_hands();
  check(!side.has_failed() && !side.take(std::string::npos, 1).empty() == (role == tls_role::client),
        "the client speaks first");
  const auto times = in.byte() % 64 + 1;
  const auto rest = in.rest();
  const std::string_view noise{reinterpret_cast<const char*>(rest.data()), rest.size()};
  for (auto time = 0; time < times && !side.has_failed(); ++time) {
    for (std::size_t fed = 0; fed < noise.size() && !side.has_failed();) {
      const auto piece = noise.substr(fed, here.pieces.next());
      fed += piece.size();
      side.feed(piece);
      side.shake_hands();
      check(!side.is_done(), "nobody shakes hands with noise");
    }
  }
  side.end_input();
  side.shake_hands();
  check(side.has_failed(), "noise is no handshake");
}

/// A handshake, some words and the end, with accidents on the way.
void run_handshake(reader& in) {
  stage here{in};
  // So that small cuts come to an end in time.
  constexpr std::size_t words_max = 16'384;
  const std::array<std::size_t, 2> words{in.word() % words_max, in.word() % words_max};
  const auto known = here.both_credentials();
  const auto talk = [&](conversation& between) {
    for (const auto role : roles)
      between.plan(role, words[settings::index_of(role)]);
    between.plan_to_close();
    between.settle();
    const auto* client = between.engine(tls_role::client);
    const auto was_resumed = client != nullptr && client->is_done() && client->info().resumed;
    between.end();
    return was_resumed;
  };
  const auto resumes = here.wanted.session_resumption && !here.wanted.by_hand;
  if (resumes) {
    // It leaves a session.
    auto first = here.begin(known);
    check(!talk(first), "the first session is a new one");
  }
  auto between = here.begin(known);
  while (!in.rest().empty()) {
    const auto next = accident::from_input(in);
    between.from(next.from).expect(next);
  }
  const auto was_resumed = talk(between);
  if (between.is_clean() && resumes && here.wanted.can_agree())
    check(was_resumed, "the second session is the first one");
}

/// Whatever two sides may do once they have shaken hands, in any order.
class turmoil {
public:
  explicit turmoil(conversation& between) : between_(between) {}

  void run(reader& in) {
    // Enough to come into every state.
    constexpr auto steps_max = 64;
    for (auto step = 0; step < steps_max && !in.rest().empty(); ++step) {
      const auto code = in.byte();
      const auto who = roles[code >> 7U];
      take_step(static_cast<deed>((code & 0x7FU) % deeds), who, in);
      between_.check_truth(who);
    }
  }

private:
  enum class deed : std::uint8_t {
    say,         ///< 2 bytes: how much; 1 byte: in how many pieces.
    send,        ///< 2 bytes: how much of what waits; 1 byte: of how many pieces.
    arrive,      ///< 2 bytes: how much of what is on its way to it.
    hear,        ///< 2 bytes: room.
    look_ahead,  ///< No bytes.
    acknowledge, ///< 2 bytes: how much of what arrived from it.
    rest,        ///< 2 bytes: milliseconds.
    close,       ///< No bytes.
    spoil,       ///< 4 bytes: an accident to what it sent.
    end_input,   ///< No bytes.
    whim,        ///< 1 byte: what comes into the mind of the side that is no engine.
  };
  static constexpr auto deeds = 11;

  void take_step(deed what, tls_role who, reader& in) {
    auto& side = between_.side(who);
    auto* engine = between_.engine(who);
    switch (what) {
      case deed::say: {
        const auto size = in.word();
        const auto pieces = in.byte() % 16 + 1U;
        if (side.may_speak())
          side.say(size, pieces);
        return;
      }
      case deed::send: {
        const auto size = in.word();
        between_.from(who).put(side.take(size, in.byte() % 8 + 1U));
        return;
      }
      case deed::arrive:
        return between_.deliver(who, in.word());
      case deed::hear: {
        const auto room = in.word();
        // An engine repeats why it failed.
        if (side.is_ready() || (engine != nullptr && side.is_done()))
          side.hear(room);
        return;
      }
      case deed::look_ahead:
        if (engine != nullptr)
          engine->look_ahead();
        return;
      case deed::acknowledge: {
        const auto bytes = in.word();
        if (engine != nullptr)
          engine->acknowledge(std::min({std::uint64_t{bytes}, engine->taken(), between_.from(who).delivered()}));
        return;
      }
      case deed::rest: {
        const std::chrono::milliseconds time{in.word()};
        if (engine != nullptr)
          engine->rest(time);
        return;
      }
      case deed::close:
        if (side.may_speak())
          side.close();
        return;
      case deed::spoil:
        return between_.from(who).spoil(accident::from_input(in));
      case deed::end_input:
        between_.from(other(who)).cut();
        return side.end_input();
      case deed::whim: {
        constexpr auto whims = 5;
        const auto next = static_cast<stranger::whim>(in.byte() % whims);
        if (auto* free = between_.by_hand(); free != nullptr && free->may_speak() && !free->follow(next))
          between_.note_rudeness();
        return;
      }
    }
  }

  conversation& between_;
};

void run_established(reader& in) {
  stage here{in};
  here.wanted.make_agreeable();
  auto between = here.begin(here.both_credentials());
  between.settle();
  for (const auto role : roles)
    check(between.side(role).is_ready(), "sides that can agree do");
  turmoil{between}.run(in);
  between.plan_to_close();
  between.settle();
  between.end();
}

} // namespace

void run(std::span<const std::byte> input) {
  const wall_time always{good_day};
  reader in{input};
  switch (in.byte() % 4) {
    case 0:
      return run_noise(tls_role::server, in);
    case 1:
      return run_noise(tls_role::client, in);
    case 2:
      return run_handshake(in);
    default:
      return run_established(in);
  }
}

} // namespace actorwire::fuzz
