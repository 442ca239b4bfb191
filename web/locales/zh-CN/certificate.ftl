# SPDX-License-Identifier: Apache-2.0

# /ca 页面：怎样信任本系统的根证书。
ca-product = 视频之家
ca-languages = 语言
ca-language-zh-cn = 中文
ca-language-en = English
ca-title = 让这台设备信任本系统
ca-why = 浏览器只在安全连接下才允许使用摄像头和麦克风。本系统的证书由本机自己签发，所以每台电脑、平板和手机都要安装一次根证书；装好后不再出现安全警告，也不用重装。
ca-download = 下载根证书
ca-fingerprint = 根证书指纹（SHA-256）
ca-fingerprint-why = 安装时如果显示指纹，请与下面一致；也可以请技术人员核对。不一致就不要安装。
ca-own-certificate = 本系统使用单位自己的证书，这里不需要安装任何东西。如果浏览器仍提示不安全，请联系技术人员。
ca-open-home = 打开视频之家
ca-done = 装好以后
ca-done-how = 关闭浏览器再打开，进入 https://{ $host }/ 。地址栏没有“不安全”字样，就说明成功了。
ca-windows = Windows 电脑
ca-windows-1 = 点上面的“下载根证书”，然后双击打开下载的文件 videohome-root.crt。
ca-windows-2 = 点“安装证书…”，选“本地计算机”（没有管理员权限就选“当前用户”），点“下一步”。
ca-windows-3 = 选“将所有的证书都放入下列存储”，点“浏览…”，选“受信任的根证书颁发机构”，点“确定”。
ca-windows-4 = 点“下一步”“完成”；如果弹出安全警告，核对指纹后点“是”。
ca-windows-note = 适用于 Edge 和 Chrome。Firefox 请在“设置 → 隐私与安全 → 证书 → 查看证书 → 导入”中选择该文件，并勾选“信任由此证书颁发机构来标识网站”。
ca-android = 安卓手机和平板
ca-android-1 = 点上面的“下载根证书”，把文件保存到手机。
ca-android-2 = 打开手机的“设置”，搜索“CA 证书”（一般在“安全 → 更多安全设置 → 加密与凭据 → 安装证书”里）。
ca-android-3 = 选“CA 证书”，点“仍然安装”，按要求输入锁屏密码。
ca-android-4 = 选择下载的 videohome-root.crt，看到“已安装 CA 证书”即可。
ca-android-note = 不同品牌的菜单名称略有不同；系统可能会要求先设置锁屏密码。请使用 Chrome 打开本系统。
ca-ios = 苹果 iPhone 和 iPad
ca-ios-1 = 用 Safari 打开本页，点上面的“下载根证书”，在弹出的提示中点“允许”。
ca-ios-2 = 打开“设置 → 通用 → VPN 与设备管理”，点“Video Home local root”，点右上角“安装”。
ca-ios-3 = 打开“设置 → 通用 → 关于本机”，拉到最下面，点“证书信任设置”。
ca-ios-4 = 打开“Video Home local root”右边的开关，点“继续”。
ca-ios-note = 第 3、4 步不能省：只安装不打开开关，Safari 仍会提示不安全。
