# The installed package: find_package(actorwire CONFIG) and pkg-config. The libraries and their headers are installed
# where they are declared.

include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/actorwire")

install(TARGETS actorwire EXPORT actorwire)
install(EXPORT actorwire
  NAMESPACE actorwire::
  FILE actorwire-targets.cmake
  DESTINATION "${package_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/actorwire-config.cmake.in"
  "${PROJECT_BINARY_DIR}/actorwire-config.cmake"
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/actorwire-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/actorwire-config.cmake"
  "${PROJECT_BINARY_DIR}/actorwire-config-version.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/FindCAF.cmake"
  DESTINATION "${package_dir}")

# CAF has no pkg-config file of its own, so it cannot be named in Requires; its flags stand in Cflags and Libs. They are
# left out for the system's folders, where the compiler looks anyway.
set(caf_cflags "")
set(caf_libs "-lcaf_core")
if(NOT CAF_INCLUDE_DIR IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
  set(caf_cflags "-I${CAF_INCLUDE_DIR}")
  cmake_path(GET CAF_INCLUDE_DIR PARENT_PATH caf_prefix)
  set(caf_libs "-L${caf_prefix}/lib -lcaf_core")
endif()
cmake_path(APPEND pc_libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND pc_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/actorwire.pc.in" "${PROJECT_BINARY_DIR}/actorwire.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/actorwire.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
