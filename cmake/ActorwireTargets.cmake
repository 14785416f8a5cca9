# How every target of this project is compiled, and one function that declares a library.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
# Objects of the engine end up in the transports library, static or shared.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

# These reach this directory and those below, so neither CAF, nor Boost, nor a parent project sees them.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion)
# Whatever nothing refers to is left out when something is linked: in a program what it does not use of a static library.
set(optimised "$<CONFIG:Release,RelWithDebInfo,MinSizeRel>")
add_compile_options("$<${optimised}:-ffunction-sections>" "$<${optimised}:-fdata-sections>")
add_link_options("$<${optimised}:-Wl,--gc-sections>")
if(ACTORWIRE_WERROR)
  add_compile_options(-Werror)
endif()
if(ACTORWIRE_SANITIZE)
  add_compile_options("-fsanitize=${ACTORWIRE_SANITIZE}" -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${ACTORWIRE_SANITIZE}")
endif()

# libFuzzer learns from the branches that an input takes. It keeps only inputs that end the process, so reports do.
if(ACTORWIRE_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "ACTORWIRE_BUILD_FUZZERS needs clang; this is ${CMAKE_CXX_COMPILER_ID}")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-recover=all)
endif()

# For the ENVIRONMENT of tests. A report of undefined behaviour or of a race would else be a line in the log of a test that
# passes; AddressSanitizer stops on its own. Stopping is decided here and not by -fno-sanitize-recover, because that would
# also stop at what the suppressions name.
set(ACTORWIRE_TEST_ENVIRONMENT "")
if(ACTORWIRE_SANITIZE MATCHES "undefined")
  set(ACTORWIRE_TEST_ENVIRONMENT
    "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:suppressions=${PROJECT_SOURCE_DIR}/tests/support/ubsan.supp")
elseif(ACTORWIRE_SANITIZE MATCHES "thread")
  set(ACTORWIRE_TEST_ENVIRONMENT "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
endif()

configure_file("${PROJECT_SOURCE_DIR}/cmake/version.hpp.in"
  "${PROJECT_BINARY_DIR}/include/actorwire/version.hpp" @ONLY)

# actorwire_library(<folder> <sources>...) declares the target actorwire_<folder> with its alias actorwire::<folder>,
# its public headers and its installation.
#
# Callers collect sources with a glob. One folder is one target here, so a list would only repeat the folder's content;
# CONFIGURE_DEPENDS makes the build notice a new file.
function(actorwire_library folder)
  set(target "actorwire_${folder}")
  add_library(${target} ${ARGN})
  add_library(actorwire::${folder} ALIAS ${target})

  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/include/*.hpp")
  target_sources(${target} PUBLIC FILE_SET HEADERS
    BASE_DIRS "${CMAKE_CURRENT_SOURCE_DIR}/include"
    FILES ${headers})
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/src")
  target_compile_features(${target} PUBLIC cxx_std_20)
  # Below 1.0 every minor version may break the ABI, so it is part of the SONAME. Wherever they are installed, one library
  # finds the next beside it: what a program is linked with says only where the first is.
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${folder}
    INSTALL_RPATH "$ORIGIN"
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    VERIFY_INTERFACE_HEADER_SETS ON)
  # A symbol that a library forgot to export shows when the next library is linked, not when a user links a program.
  if(BUILD_SHARED_LIBS AND NOT ACTORWIRE_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,--no-undefined)
  endif()

  install(TARGETS ${target} EXPORT actorwire
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
endfunction()
