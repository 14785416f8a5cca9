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

# CAF has no pkg-config file of its own, so Requires cannot name it; its flags stand in Cflags and Libs. pkg-config leaves
# out the folders that the compiler searches anyway. The prefix follows the file, so that the tree may be moved.
set(pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(ABSOLUTE_PATH pc_dir BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}" OUTPUT_VARIABLE pc_full_dir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${pc_full_dir}" OUTPUT_VARIABLE pc_to_prefix)
cmake_path(APPEND pc_libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND pc_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
# Static libraries bring nothing of what they need along, and where there are no others, nobody thinks of asking with --static.
set(pc_requires "Requires")
if(BUILD_SHARED_LIBS)
  set(pc_requires "Requires.private")
endif()
set(pc_required "")
if(ACTORWIRE_TLS)
  list(APPEND pc_required "gnutls >= 3.7.9")
endif()
if(ACTORWIRE_QUIC)
  list(APPEND pc_required "libngtcp2 >= 1.11" "libngtcp2_crypto_gnutls >= 1.11")
endif()
list(JOIN pc_required ", " pc_required)
configure_file("${PROJECT_SOURCE_DIR}/cmake/actorwire.pc.in" "${PROJECT_BINARY_DIR}/cmake/actorwire.pc.in" @ONLY)
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/actorwire.pc" INPUT "${PROJECT_BINARY_DIR}/cmake/actorwire.pc.in")
install(FILES "${PROJECT_BINARY_DIR}/actorwire.pc" DESTINATION "${pc_dir}")
