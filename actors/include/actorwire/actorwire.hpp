#pragma once

/// Everything that a program needs: `network`, the actors' interfaces, the messages, and the configuration for CAF.

#include <actorwire/actors/errors.hpp>
#include <actorwire/actors/network.hpp>
#include <actorwire/actors/system_config.hpp>
#include <actorwire/actors/type_ids.hpp>
#include <actorwire/version.hpp>
