#include "converter/signature/key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "converter/export/output_file.h"
#include "converter/export/sha256.h"
#include "converter/import/mapped_file.h"

#ifdef CLLM_HAS_SODIUM
#include <sodium.h>
#endif

namespace cllm {
namespace {

constexpr char kPrivateTitle[] = "cllm ed25519 private key";
constexpr char kPublicTitle[] = "cllm ed25519 public key";
constexpr size_t kDigits = 64;

bool DigitsToBytes(absl::string_view digits, std::array<uint8_t, 32>* bytes) {
  if (digits.size() != kDigits || !std::all_of(digits.begin(), digits.end(), [](char c) {
        return absl::ascii_isxdigit(static_cast<unsigned char>(c));
      }))
    return false;
  const std::string raw = absl::HexStringToBytes(digits);
  std::memcpy(bytes->data(), raw.data(), bytes->size());
  return true;
}

std::string FileText(const char* title, const std::array<uint8_t, 32>& bytes) {
  return absl::StrCat(title, "\n", Hexadecimal(bytes), "\n");
}

// The number in a key file of this kind; the errors say what the file is instead.
absl::StatusOr<std::array<uint8_t, 32>> ReadKeyFile(const std::string& path, const char* title,
                                                    const char* wanted) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path, wanted);
  if (!file.ok()) return file.status();
  const std::string_view bytes = file->bytes().substr(0, 4096);
  const std::vector<std::string> lines = absl::StrSplit(absl::string_view(bytes.data(), bytes.size()), '\n');
  const auto refuse = [&](const std::string& text) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", text));
  };
  if (lines[0] != title) {
    const bool other = lines[0] == kPrivateTitle || lines[0] == kPublicTitle;
    return refuse(absl::StrCat(other ? absl::StrCat("this is a ", lines[0]) : "this is no key file",
                               "; give ", wanted, ", whose first line is \"", title, "\""));
  }
  std::array<uint8_t, 32> key;
  if (lines.size() < 2 || !DigitsToBytes(absl::StripAsciiWhitespace(lines[1]), &key)) {
    return refuse("the second line of a key file is 64 hexadecimal digits; copy or make the key again");
  }
  return key;
}

#ifndef CLLM_HAS_SODIUM
absl::Status WithoutSodium() {
  return absl::UnimplementedError(
      "this cllm was built without libsodium and makes no keys or signatures; toolchains/setup installs it, "
      "then "
      "configure and build again. Signatures can be verified without it");
}
#endif

}  // namespace

#ifdef CLLM_HAS_SODIUM
absl::StatusOr<PrivateKey> PrivateKey::Generate() {
  if (sodium_init() < 0) return absl::InternalError("libsodium finds no source of randomness here");
  std::array<uint8_t, 32> seed;
  randombytes_buf(seed.data(), seed.size());
  absl::StatusOr<PrivateKey> key = FromSeed(seed);
  sodium_memzero(seed.data(), seed.size());
  return key;
}

absl::StatusOr<PrivateKey> PrivateKey::FromSeed(const std::array<uint8_t, 32>& seed) {
  PrivateKey key;
  key.seed_ = seed;
  uint8_t secret[crypto_sign_SECRETKEYBYTES];
  crypto_sign_seed_keypair(key.public_key_.data(), secret, seed.data());
  sodium_memzero(secret, sizeof(secret));
  return key;
}

absl::StatusOr<Signature> PrivateKey::Sign(std::string_view message) const {
  PublicKey same;
  uint8_t secret[crypto_sign_SECRETKEYBYTES];
  crypto_sign_seed_keypair(same.data(), secret, seed_.data());
  Signature signature;
  crypto_sign_detached(signature.data(), nullptr, reinterpret_cast<const uint8_t*>(message.data()),
                       message.size(), secret);
  sodium_memzero(secret, sizeof(secret));
  return signature;
}

PrivateKey::~PrivateKey() { sodium_memzero(seed_.data(), seed_.size()); }
#else
absl::StatusOr<PrivateKey> PrivateKey::Generate() { return WithoutSodium(); }
absl::StatusOr<PrivateKey> PrivateKey::FromSeed(const std::array<uint8_t, 32>&) { return WithoutSodium(); }
absl::StatusOr<Signature> PrivateKey::Sign(std::string_view) const { return WithoutSodium(); }
PrivateKey::~PrivateKey() = default;
#endif

absl::StatusOr<PrivateKey> PrivateKey::Read(const std::string& path) {
  absl::StatusOr<std::array<uint8_t, 32>> seed =
      ReadKeyFile(path, kPrivateTitle, "the private key that `cllm keygen` wrote");
  if (!seed.ok()) return seed.status();
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(path,
                                                    ": others may read or write this private key; chmod 600 ",
                                                    path, ", and make a new key if they may have done so"));
  }
  return FromSeed(*seed);
}

absl::Status PrivateKey::Write(const std::string& path) const {
  const auto fail = [&](const char* doing) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", doing, " ", path));
  };
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 && errno == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat(path,
                                                 " is there already; a key that is lost cannot be made "
                                                 "again: name another file, or remove it yourself"));
  }
  if (file < 0) return fail("create");
  const std::string text = FileText(kPrivateTitle, seed_);
  const bool written =
      ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const absl::Status status = written ? absl::OkStatus() : fail("write");
  ::close(file);
  if (!written) ::unlink(path.c_str());
  return status;
}

absl::Status WritePublicKey(const PublicKey& key, const std::string& path) {
  return WriteWholeFile(path, FileText(kPublicTitle, key));
}

absl::StatusOr<PublicKey> ReadPublicKey(const std::string& path_or_digits) {
  PublicKey key;
  if (DigitsToBytes(path_or_digits, &key)) return key;
  return ReadKeyFile(path_or_digits, kPublicTitle,
                     "the public key that `cllm keygen` wrote, or its 64 digits");
}

}  // namespace cllm
