#[=======================================================================[.rst:
FindCAF
-------

Finds the C++ Actor Framework, 0.17.6 or 1.x, with the components ``core`` and ``io``.

CAF 1.x installs a package configuration of its own, which is preferred. CAF 0.17 as packaged by Debian and Ubuntu has
neither that nor a pkg-config file; headers and libraries are found by name. ``CAF_ROOT`` or ``CMAKE_PREFIX_PATH``
selects an installation outside the system's folders.

Imported targets: ``CAF::core``, ``CAF::io``.
Result variables: ``CAF_FOUND``, ``CAF_VERSION``, ``CAF_INCLUDE_DIR``, ``CAF_<component>_LIBRARY``.
#]=======================================================================]

include(FindPackageHandleStandardArgs)

if(NOT CAF_FIND_COMPONENTS)
  set(CAF_FIND_COMPONENTS core)
endif()

# Asked for as 1, since without a version CMake passes on the caller's, and 1.x calls itself incompatible with a request
# for 0.17.6 or newer. The check at the end compares with what the caller wants.
if(NOT (CAF_FIND_VERSION_EXACT AND CAF_FIND_VERSION VERSION_LESS 1))
  find_package(CAF 1 CONFIG QUIET)
endif()
if(CAF_CONFIG AND TARGET CAF::core)
  foreach(component IN LISTS CAF_FIND_COMPONENTS)
    if(TARGET CAF::${component})
      set(CAF_${component}_FOUND TRUE)
    endif()
  endforeach()
  get_target_property(CAF_INCLUDE_DIR CAF::core INTERFACE_INCLUDE_DIRECTORIES)
  find_package_handle_standard_args(CAF
    REQUIRED_VARS CAF_CONFIG VERSION_VAR CAF_VERSION HANDLE_COMPONENTS)
  return()
endif()

# Headers and libraries have to be of one installation, so libraries are looked for beside the headers only: else CAF 1.x
# in a folder of its own without one component would be joined by the system's 0.17.
find_path(CAF_INCLUDE_DIR caf/actor_system.hpp)
mark_as_advanced(CAF_INCLUDE_DIR)
if(CAF_INCLUDE_DIR)
  cmake_path(GET CAF_INCLUDE_DIR PARENT_PATH prefix)
endif()

foreach(component IN LISTS CAF_FIND_COMPONENTS)
  find_library(CAF_${component}_LIBRARY caf_${component}
    PATHS "${prefix}/lib" "${prefix}/lib64" "${prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE}"
    NO_DEFAULT_PATH)
  mark_as_advanced(CAF_${component}_LIBRARY)
  if(CAF_INCLUDE_DIR AND CAF_${component}_LIBRARY)
    set(CAF_${component}_FOUND TRUE)
  endif()
endforeach()

# 0.17 defines one number (1706). In 1.x that macro means something else, its parts are separate macros.
unset(CAF_VERSION)
foreach(header IN ITEMS caf/config.hpp caf/detail/build_config.hpp)
  if(CAF_VERSION OR NOT EXISTS "${CAF_INCLUDE_DIR}/${header}")
    continue()
  endif()
  file(STRINGS "${CAF_INCLUDE_DIR}/${header}" defines REGEX "^#define +CAF_(VERSION|VERSION_[A-Z]+) +[0-9]+")
  if(defines MATCHES "CAF_VERSION_MAJOR +([0-9]+)")
    set(CAF_VERSION "${CMAKE_MATCH_1}")
    foreach(part IN ITEMS MINOR PATCH)
      if(defines MATCHES "CAF_VERSION_${part} +([0-9]+)")
        string(APPEND CAF_VERSION ".${CMAKE_MATCH_1}")
      endif()
    endforeach()
  elseif(defines MATCHES "CAF_VERSION +([0-9]+)")
    math(EXPR major "${CMAKE_MATCH_1} / 10000")
    math(EXPR minor "${CMAKE_MATCH_1} / 100 % 100")
    math(EXPR patch "${CMAKE_MATCH_1} % 100")
    set(CAF_VERSION "${major}.${minor}.${patch}")
  endif()
endforeach()

find_package_handle_standard_args(CAF
  REQUIRED_VARS CAF_INCLUDE_DIR VERSION_VAR CAF_VERSION HANDLE_COMPONENTS)

if(CAF_FOUND)
  find_package(Threads QUIET REQUIRED)
  foreach(component IN LISTS CAF_FIND_COMPONENTS)
    if(NOT TARGET CAF::${component})
      add_library(CAF::${component} UNKNOWN IMPORTED)
      set_target_properties(CAF::${component} PROPERTIES
        IMPORTED_LOCATION "${CAF_${component}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${CAF_INCLUDE_DIR}"
        INTERFACE_LINK_LIBRARIES Threads::Threads)
    endif()
  endforeach()
  if(TARGET CAF::io)
    set_property(TARGET CAF::io APPEND PROPERTY INTERFACE_LINK_LIBRARIES CAF::core)
  endif()
endif()
