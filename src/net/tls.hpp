// TLS at the front: the certificate that clients see, and the stream of one connection.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <string>

#include "core/outcome.hpp"

namespace troupe {

// TLS 1.2 and later with forward secrecy only. Both files are PEM; the certificate's holds the
// whole chain. A failure names the file.
outcome<std::shared_ptr<boost::asio::ssl::context>> load_tls(const std::string& cert_file,
                                                             const std::string& key_file);

struct tls_line {
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket&> stream;
};

}  // namespace troupe
