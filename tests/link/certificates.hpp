// Certificates for tests: each is its own authority.
#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "link/tls_identity.hpp"

namespace troupe::testing {

// Writes NAME.pem and NAME.key into `folder`.
inline tls_files make_certificate(const std::filesystem::path& folder, const std::string& name) {
  using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using cert_ptr = std::unique_ptr<X509, decltype(&X509_free)>;
  using file_ptr = std::unique_ptr<std::FILE, decltype(&std::fclose)>;
  const key_ptr key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const cert_ptr cert(X509_new(), &X509_free);
  X509_set_version(cert.get(), 2);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
  auto* subject = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert.get(), subject);
  X509_set_pubkey(cert.get(), key.get());
  X509_sign(cert.get(), key.get(), EVP_sha256());
  tls_files out{.cert = folder / (name + ".pem"), .key = folder / (name + ".key"), .ca = {}};
  out.ca = out.cert;
  const file_ptr cert_file(std::fopen(out.cert.c_str(), "w"), &std::fclose);
  PEM_write_X509(cert_file.get(), cert.get());
  const file_ptr key_file(std::fopen(out.key.c_str(), "w"), &std::fclose);
  PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return out;
}

}  // namespace troupe::testing
