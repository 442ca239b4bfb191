// SPDX-License-Identifier: Apache-2.0
// A camera made of live555 (LGPL, fetched and built for the tests only, never shipped): one H.264 file with G.711 sound.
//   live555_server PORT USER PASSWORD VIDEO.264 [SOUND.wav]
// Prints one line when it listens. Digest sign-in unless USER is "-".
#include <BasicUsageEnvironment.hh>
#include <liveMedia.hh>

#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  OutPacketBuffer::maxSize = 2000000;
  UsageEnvironment* env = BasicUsageEnvironment::createNew(*BasicTaskScheduler::createNew());
  UserAuthenticationDatabase* users = nullptr;
  if (strcmp(argv[2], "-") != 0) {
    users = new UserAuthenticationDatabase("camera");
    users->addUserRecord(argv[2], argv[3]);
  }
  RTSPServer* server = RTSPServer::createNew(*env, static_cast<portNumBits>(atoi(argv[1])), users);
  if (server == nullptr) {
    fprintf(stderr, "%s\n", env->getResultMsg());
    return 1;
  }
  ServerMediaSession* stream = ServerMediaSession::createNew(*env, "live", "live", "camera");
  stream->addSubsession(H264VideoFileServerMediaSubsession::createNew(*env, argv[4], True));
  if (argc > 5) stream->addSubsession(WAVAudioFileServerMediaSubsession::createNew(*env, argv[5], True, True));
  server->addServerMediaSession(stream);
  printf("listening\n");
  fflush(stdout);
  env->taskScheduler().doEventLoop();
  return 0;
}
