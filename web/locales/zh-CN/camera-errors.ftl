# SPDX-License-Identifier: Apache-2.0
# What can go wrong with IP cameras.
error-camera-not-found = 没有这台摄像机，可能已被移除，请刷新页面。
error-camera-address-invalid = 地址不对：应以 rtsp:// 开头，例如 rtsp://192.168.1.64:554/stream。
error-camera-address-has-password = 请把用户名和密码从地址里去掉，填到下面的两栏里。
error-camera-user-name-invalid = 摄像机的用户名里不能有冒号。
error-camera-sign-in-too-long = 用户名和密码太长，RTSP 传不了，请在摄像机上改短一些。
error-camera-password-lost = 保存的密码打不开（密钥文件换过），请重新填写这台摄像机的密码。
error-camera-unreachable = 连接不上摄像机。请检查地址和端口、网线和供电，以及服务器能否访问摄像机所在的网段。
error-camera-not-rtsp = 这个地址有应答，但不是 RTSP。请检查端口，常用的是 554。
error-camera-wrong-password = 摄像机不接受这个用户名或密码。请核对后再试；连续输错会被摄像机锁定约半小时。
error-camera-no-such-stream = 摄像机上没有这路画面。请检查地址中主机名后面的路径，不同厂家的写法不同。
error-camera-transport-refused = 摄像机不支持这种传输方式，请在 TCP 和 UDP 之间换一种再试。
error-camera-codec-not-usable = 摄像机发送的是 { $codec }，浏览器放不了。请在摄像机的视频设置里把编码改为 H.264（关闭 B 帧和“智能编码”），或改用 H.264 的子码流。
error-camera-no-key-frame = 连上了，但没有收到完整的画面。请在摄像机上把关键帧（I 帧）间隔改为 2 秒再试。
error-camera-lost = 连上后画面又中断了。请检查网络，或减少同时观看这台摄像机的人数后再试。
error-camera-busy = 正在测试别的摄像机，请几秒钟后再试。
error-camera-fault = 测试程序出了故障，请再试一次；还不行请告诉技术人员。
error-too-many-cameras = 一次会话最多用 { $most } 台摄像机，请先取消一台。
