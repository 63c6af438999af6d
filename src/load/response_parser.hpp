// HTTP responses fed to an answer_reader as they are parsed: nothing is stored on the way.
#pragma once
#include <boost/beast/http/basic_parser.hpp>
#include <string>

#include "load/answer_reader.hpp"

namespace troupe::load {

class response_parser : public boost::beast::http::basic_parser<false> {
 public:
  // `now` is read at every piece of the body; both must outlive this.
  response_parser(answer_reader& out, const double& now) : out_(out), now_(now) {
    eager(true);
    body_limit(boost::none);
  }

 private:
  using error_code = boost::system::error_code;
  using text = boost::beast::string_view;
  using field = boost::beast::http::field;

  void on_request_impl(boost::beast::http::verb, text, text, int, error_code&) override {}
  void on_response_impl(int code, text, int, error_code&) override {
    status_ = static_cast<unsigned>(code);
  }
  void on_field_impl(field name, text, text value, error_code&) override {
    if (name == field::content_type) content_type_.assign(value.data(), value.size());
  }
  void on_header_impl(error_code&) override { out_.begin(status_, content_type_); }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(text bytes, error_code&) override {
    out_.body({bytes.data(), bytes.size()}, now_);
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, text, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, text bytes, error_code&) override {
    out_.body({bytes.data(), bytes.size()}, now_);
    return bytes.size();
  }
  void on_finish_impl(error_code&) override {}

  answer_reader& out_;
  const double& now_;
  unsigned status_ = 0;
  std::string content_type_;
};

}  // namespace troupe::load
