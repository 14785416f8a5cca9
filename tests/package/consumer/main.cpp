#include <actorwire/messages/endpoint.hpp>

#include <iostream>

int main(int, char** argv) {
  const auto where = actorwire::parse_endpoint(argv[1]);
  if (!where.has_value())
    return 1;
  std::cout << where.value().host << ' ' << where.value().port << '\n';
}
