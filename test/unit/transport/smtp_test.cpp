// Mails to a real SMTP server (test/receivers/smtp_receiver.py) on loopback. Run from the
// repository's root, as `make unit` does.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include "monitoring/base/json.hpp"

#include "monitoring/transport/reactor.hpp"

namespace monitoring::transport {
namespace {

/// The server as a child process; ended with the object.
class SmtpReceiver {
 public:
  explicit SmtpReceiver(std::vector<std::string> options) {
    char folder[] = "/tmp/smtp-receiver-XXXXXX";
    folder_ = mkdtemp(folder);
    for (std::string& option : options) {
      if (option == "{tls}") option = folder_ + "/tls";
    }
    options.insert(options.begin(), {"test/receivers/smtp_receiver.py", "--log", log()});
    start(options);
  }
  ~SmtpReceiver() {
    close(input_);
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }

  std::string url(const std::string& scheme, const std::string& host = "localhost") const {
    return scheme + "://" + host + ":" + std::to_string(port_);
  }
  std::string ca_file() const { return folder_ + "/tls/ca.pem"; }

  std::vector<Json> mails() const {
    std::vector<Json> mails;
    std::ifstream in(log());
    for (std::string line; std::getline(in, line);) mails.push_back(Json::parse_or_null(line));
    return mails;
  }

 private:
  std::string log() const { return folder_ + "/mails.jsonl"; }

  void start(const std::vector<std::string>& command) {
    int input[2];
    int output[2];
    ASSERT_EQ(pipe2(input, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(output, O_CLOEXEC), 0);
    child_ = fork();
    if (child_ == 0) {
      dup2(input[0], 0);
      dup2(output[1], 1);
      std::vector<char*> arguments;
      for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
      arguments.push_back(nullptr);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    std::string line;
    for (char c = 0; c != '\n' && read(output[0], &c, 1) == 1;) line += c;
    close(output[0]);
    ASSERT_EQ(line.rfind("port ", 0), 0U) << "smtp_receiver.py did not start";
    port_ = std::stoi(line.substr(5));
  }

  std::string folder_;
  pid_t child_ = -1;
  int input_ = -1;
  int port_ = 0;
};

Outcome send_through(Reactor& reactor, const MailRequest& mail, const std::string& ca_file = {}) {
  Request request;
  request.message = mail;
  request.ca_file = ca_file;
  reactor.start(1, std::move(request));
  for (;;) {
    pollfd entry{reactor.descriptor(), POLLIN, 0};
    poll(&entry, 1, 5000);
    const auto completions = reactor.step();
    if (!completions.empty()) return completions[0].outcome;
  }
}

Outcome send(const MailRequest& mail, const std::string& ca_file = {}) {
  const auto reactor = make_curl_reactor();
  return send_through(*reactor, mail, ca_file);
}

MailRequest mail_to(const std::string& url, std::vector<std::string> recipients) {
  MailRequest mail;
  mail.url = url;
  mail.sender = "alerts@db.example";
  mail.recipients = std::move(recipients);
  mail.message = "Subject: hello\r\n\r\nline one\r\n.dotted\r\n..twice\r\nlast\r\n";
  return mail;
}

TEST(Smtp, WithStartTlsAndAuth) {
  const SmtpReceiver server({"--tls", "{tls}", "--user", "alerts", "--password", "right"});
  MailRequest mail = mail_to(server.url("smtp"), {"a@x.example", "b@x.example"});
  mail.username = "alerts";
  mail.password = "right";
  const Outcome outcome = send(mail, server.ca_file());
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.error;
  EXPECT_EQ(outcome.status / 100, 2);
  const auto mails = server.mails();
  ASSERT_EQ(mails.size(), 1U);
  EXPECT_EQ(mails[0]["sender"], "alerts@db.example");
  EXPECT_EQ(mails[0]["recipients"], Json::parse_or_null(R"(["a@x.example", "b@x.example"])"));
  EXPECT_EQ(mails[0]["data"], mail.message);
  EXPECT_EQ(mails[0]["tls"], true);
  EXPECT_EQ(mails[0]["user"], "alerts");
}

TEST(Smtp, WrongPasswordIsAnAuthenticationFailure) {
  const SmtpReceiver server({"--tls", "{tls}", "--user", "alerts", "--password", "right"});
  MailRequest mail = mail_to(server.url("smtp"), {"a@x.example"});
  mail.username = "alerts";
  mail.password = "s3cr3t-and-wrong";
  const Outcome outcome = send(mail, server.ca_file());
  EXPECT_EQ(outcome.failure, Failure::kAuthentication) << outcome.error;
  EXPECT_EQ(outcome.error.find("s3cr3t"), std::string::npos);
  EXPECT_TRUE(server.mails().empty());
}

TEST(Smtp, ImplicitTls) {
  const SmtpReceiver server({"--tls", "{tls}", "--implicit"});
  const Outcome outcome = send(mail_to(server.url("smtps"), {"a@x.example"}), server.ca_file());
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.error;
  ASSERT_EQ(server.mails().size(), 1U);
  EXPECT_EQ(server.mails()[0]["tls"], true);
}

TEST(Smtp, RequiredTlsIsNotDoneWithout) {
  const SmtpReceiver server({});
  const Outcome outcome = send(mail_to(server.url("smtp"), {"a@x.example"}));
  EXPECT_EQ(outcome.failure, Failure::kTls) << outcome.error;
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(server.mails().empty());
}

TEST(Smtp, WithoutTlsWhereAllowed) {
  const SmtpReceiver server({});
  MailRequest mail = mail_to(server.url("smtp", "127.0.0.1"), {"a@x.example"});
  mail.require_tls = false;
  const Outcome outcome = send(mail);
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.error;
  ASSERT_EQ(server.mails().size(), 1U);
  EXPECT_EQ(server.mails()[0]["tls"], false);
}

TEST(Smtp, AConnectionWithoutTlsIsNotUsedForAMailThatRequiresIt) {
  const SmtpReceiver server({});
  const auto reactor = make_curl_reactor();
  MailRequest mail = mail_to(server.url("smtp"), {"a@x.example"});
  mail.require_tls = false;
  EXPECT_EQ(send_through(*reactor, mail).failure, Failure::kNone);
  mail.require_tls = true;
  EXPECT_EQ(send_through(*reactor, mail).failure, Failure::kTls);
  EXPECT_EQ(server.mails().size(), 1U);
}

TEST(Smtp, AnUnknownAuthorityIsRefused) {
  const SmtpReceiver server({"--tls", "{tls}"});
  const Outcome outcome = send(mail_to(server.url("smtp"), {"a@x.example"}));
  EXPECT_EQ(outcome.failure, Failure::kTls) << outcome.error;
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(server.mails().empty());
}

TEST(Smtp, RepliesAreReported) {
  const SmtpReceiver server({});
  MailRequest mail = mail_to(server.url("smtp"), {"no.such@x.example"});
  mail.require_tls = false;
  Outcome outcome = send(mail);
  EXPECT_NE(outcome.failure, Failure::kNone);
  EXPECT_EQ(outcome.status, 550);
  EXPECT_EQ(outcome.body_head, "550 5.1.1 no such user");

  mail.recipients = {"busy@x.example"};
  EXPECT_EQ(send(mail).status, 451);

  mail.recipients = {"no.such@x.example", "a@x.example"};
  EXPECT_EQ(send(mail).failure, Failure::kNone) << "who can be reached is";
  ASSERT_EQ(server.mails().size(), 1U);
  EXPECT_EQ(server.mails()[0]["recipients"], Json::array({"a@x.example"}));

  mail.recipients = {"busy@x.example", "b@x.example", "greylisted@x.example"};
  outcome = send(mail);
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.error;
  EXPECT_EQ(outcome.deferred_recipients,
            (std::vector<std::string>{"busy@x.example", "greylisted@x.example"}));
  EXPECT_FALSE(outcome.refused_for_good);
  EXPECT_EQ(outcome.refused_recipients,
            "busy@x.example (451 4.3.0 try again later); greylisted@x.example (451 4.7.1 "
            "greylisted)");
  mail.recipients = {"busy@x.example", "b@x.example", "no.such@x.example"};
  outcome = send(mail);
  EXPECT_EQ(outcome.deferred_recipients, std::vector<std::string>{"busy@x.example"});
  EXPECT_TRUE(outcome.refused_for_good);

  mail.recipients = {"a@x.example"};
  mail.message = "Subject: refuse\r\n\r\nbody\r\n";
  outcome = send(mail);
  EXPECT_NE(outcome.failure, Failure::kNone);
  EXPECT_EQ(outcome.status, 554);
}

TEST(Smtp, AddressesThatWouldLeaveTheirCommandAreRefused) {
  for (const char* bad : {"", "a@b.c>\r\nRCPT TO:<d@e.f", "a b@c.d", "<a@b.c>"}) {
    EXPECT_EQ(send(mail_to("smtp://127.0.0.1:9", {bad})).failure, Failure::kBadRequest) << bad;
    MailRequest mail = mail_to("smtp://127.0.0.1:9", {"a@b.c"});
    mail.sender = bad;
    EXPECT_EQ(send(mail).failure, Failure::kBadRequest) << bad;
  }
  EXPECT_EQ(send(mail_to("smtp://127.0.0.1:9", {})).failure, Failure::kBadRequest);
  EXPECT_EQ(send(mail_to("http://127.0.0.1:9", {"a@b.c"})).failure, Failure::kBadRequest);
}

}  // namespace
}  // namespace monitoring::transport
