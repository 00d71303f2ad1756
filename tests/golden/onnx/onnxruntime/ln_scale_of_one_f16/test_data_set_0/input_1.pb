
BScaleJw¼