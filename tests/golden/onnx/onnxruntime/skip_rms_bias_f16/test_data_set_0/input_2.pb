!
BgammaJB¤8"º›1ã>+¼½A;½!A(¸4>g:A9U@ã@%<d=FBA…A¾=F¸7>VÃ;ü=´¸q>Q:7<%±"@L*l>